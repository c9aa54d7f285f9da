"""The pages and the interface about what is watched: only what one may read, numbers with their reasons, the week."""

import pytest

from controller.web.backend import Paused
from tests.web.client import Visit, visit
from tests.web.memory import REPLICA, MemoryBackend, furnished
from tests.web.test_pages import Reader, logged_in

TOKEN = {"authorization": "Bearer token-of-mara"}
CHECKOUT = "/services/shop/Deployment/checkout"


async def text_of(path: str, browser: Visit | None = None) -> str:
    return Reader((await (browser or await logged_in()).get(path)).text).text


async def test_every_service_has_a_row_with_all_its_numbers() -> None:
    text = await text_of("/services")

    assert "shop/checkout Deployment 212/s ≤ 338/s until 14:11 ✔ healthy 5 of 12 9 held" in text.replace("\u00a0", " ")
    assert "v42 Hold 61% Floor, Rollback, Auto INC-2041" in text
    assert "bank/ledger" not in text


async def test_why_a_number_is_missing_stands_below_the_list_once() -> None:
    text = await text_of("/services")

    assert text.count("No load and forecast of shop/invoices: no metrics preset") == 1
    assert "No load and forecast of shop/search: data stale." in text


async def test_a_service_is_drawn_without_scripts_and_told_in_words() -> None:
    page = (await (await logged_in()).get(CHECKOUT)).text

    assert 'class="measured" d="M' in page
    assert 'class="band" d="M' in page
    assert "Stays under 338/s until 14:11 UTC with a chance of 95 %." in page.replace("\u00a0", " ")
    assert "scaling Floor, rollouts Rollback, incidents Auto" in Reader(page).text


async def test_a_service_without_numbers_says_why_there_is_nothing_to_draw() -> None:
    text = await text_of("/services/shop/StatefulSet/invoices")

    assert "Nothing to draw: no metrics preset" in text
    assert "What I would have done" in text


async def test_what_a_service_would_have_had_done_stands_on_its_page() -> None:
    assert "roll back to v41 after asking INC-2038" in await text_of("/services/shop/Deployment/basket")


@pytest.mark.parametrize(
    "path",
    [
        "/services/bank/Deployment/ledger",
        "/services/shop/Deployment/nowhere",
        "/services/shop/Pod/checkout",
        "/services/%00/x/y",
    ],
)
async def test_a_service_one_may_not_read_is_not_there(path: str) -> None:
    answer = await (await logged_in()).get(path)

    assert answer.status_code == 404
    assert "ledger" not in Reader(answer.text).text.replace(path, "")


async def test_the_report_tells_only_what_one_may_read() -> None:
    backend = furnished()
    told = await text_of("/report", await logged_in(backend))
    backend.rights.clear()
    nothing = await text_of("/report", await logged_in(backend))

    assert "Last week I acted 3 times, and would have asked once whether to act." in told
    assert "Left to people 1 incident" in told
    assert "Last week I saw nothing break." in nothing
    assert "INC-" not in nothing


async def test_the_report_is_a_document_as_well() -> None:
    answer = await (await logged_in()).get("/report/markdown?days=30")

    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("## In the last 30 days I acted 3 times")


@pytest.mark.parametrize("path", ["/report?days=0", "/report?days=9999", "/report?days=x", "/v1/report?days=0"])
async def test_an_impossible_stretch_is_refused(path: str) -> None:
    assert (await (await logged_in()).get(path)).status_code == 422


@pytest.mark.parametrize("path", ["/services", CHECKOUT, "/report", "/report/markdown"])
async def test_pages_about_services_are_closed(path: str) -> None:
    assert (await visit(furnished()).get(path)).status_code == 303


@pytest.mark.parametrize("path", ["/v1/status", "/v1/report"])
async def test_programs_need_a_token(path: str) -> None:
    answer = await visit(furnished()).http.get(path)

    assert answer.status_code == 401
    assert "shop" not in answer.text


async def test_the_status_for_programs_holds_only_what_one_may_read() -> None:
    backend = furnished()
    backend.pausing = Paused("network maintenance", "mara")
    found = (await visit(backend).http.get("/v1/status", headers=TOKEN)).json()

    assert {service["namespace"] for service in found["services"]} == {"shop"}
    assert (found["paused"], found["program"]["replica"]) == ("network maintenance", REPLICA)
    assert found["open"] == ["INC-2041", "INC-2038"]
    backend.rights.clear()
    found = (await visit(backend).http.get("/v1/status", headers=TOKEN)).json()
    assert (found["services"], found["would"], found["open"], found["questions"]) == ([], [], [], [])


async def test_an_empty_cluster_has_an_empty_status() -> None:
    found = (await visit(MemoryBackend()).http.get("/v1/status", headers=TOKEN)).json()

    assert (found["services"], found["would"]) == ([], [])
