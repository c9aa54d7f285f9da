"""S36: closed by default, the API server says who somebody is and what they may, forms are ours, headers are strict."""

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from controller.ports import Person
from controller.web.backend import Right
from controller.web.options import Options
from controller.web.shield import HEADERS
from tests.core import samples
from tests.web.client import visit
from tests.web.memory import MemoryBackend, furnished

PAGES = ["/", "/review", "/services", "/incidents/INC-2041", "/incidents/INC-2041/plan", "/incidents/INC-2041/markdown"]
FORMS = ["/incidents/INC-2041/answer", "/incidents/INC-2041/undo", "/pause", "/resume"]


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_is_shown_to_nobody(path: str) -> None:
    answer = await visit(furnished()).get(path)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={path}"
    assert "INC-2041" not in answer.text


@pytest.mark.parametrize("path", FORMS)
async def test_nothing_is_done_for_nobody(path: str) -> None:
    backend = furnished()
    before = [len(tale.events) for tale in backend.tales]
    answer = await visit(backend).send(path, "/login", verdict="approve", digest=backend.tales[-1].digest)

    assert answer.status_code == 303
    assert [len(tale.events) for tale in backend.tales] == before
    assert backend.pausing is None


async def test_the_stream_is_closed_to_nobody() -> None:
    assert (await visit(furnished()).get("/events")).status_code == 401


async def test_a_token_that_the_api_server_knows_logs_in() -> None:
    browser = visit(furnished())
    answer = await browser.login(next="/review")

    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    assert (await browser.get("/review")).status_code == 200


async def test_a_token_that_it_does_not_know_says_so_and_logs_nobody_in() -> None:
    browser = visit(furnished())
    answer = await browser.login("stolen")

    assert answer.status_code == 401
    assert "does not know this token" in answer.text
    assert "stolen" not in answer.text
    assert (await browser.get("/")).status_code == 303


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    answer = await visit(furnished(), Options(https=True)).login()
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("trimtab-session="))

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" in cookie
    assert "token-of-mara" not in cookie


@pytest.mark.parametrize(
    "next_", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/a\nb", ""]
)
async def test_a_login_leads_to_no_other_site(next_: str) -> None:
    answer = await visit(furnished()).login(next=next_)

    assert answer.headers["location"] == "/"


async def test_a_changed_cookie_is_nobody() -> None:
    browser = visit(furnished())
    await browser.login()
    value = browser.http.cookies["trimtab-session"]
    for forged in (value[:-1] + ("A" if value[-1] != "A" else "B"), value[1:], "a.b", "", "é"):
        other = visit(furnished(), Options(session_key=browser.app.state.door.options.session_key))
        answer = await other.http.get("/", headers={b"cookie": f"trimtab-session={forged}".encode()})
        assert answer.status_code == 303, forged


async def test_a_session_ends() -> None:
    clock = [samples.at("14:00:00")]

    def now() -> datetime:
        return clock[0]

    browser = visit(furnished(), Options(now=now, session_lasts=timedelta(hours=1)))
    await browser.login()
    assert (await browser.get("/")).status_code == 200
    clock[0] += timedelta(hours=1)
    assert (await browser.get("/")).status_code == 303


async def test_a_logout_ends_even_a_copy_of_the_cookie() -> None:
    browser = visit(furnished())
    await browser.login()
    copy = browser.http.cookies["trimtab-session"]
    assert (await browser.send("/logout", "/")).status_code == 303

    answer = await browser.http.get("/", headers={"cookie": f"trimtab-session={copy}"})
    assert answer.status_code == 303


@pytest.mark.parametrize("path", [*FORMS, "/logout", "/theme"])
@pytest.mark.parametrize("csrf", ["", "wrong", "é"], ids=["missing", "wrong", "not-ascii"])
async def test_a_form_without_our_token_does_nothing(path: str, csrf: str) -> None:
    backend = furnished()
    browser = visit(backend)
    await browser.login()
    before = [len(tale.events) for tale in backend.tales]
    fields = {"csrf": csrf, "verdict": "approve", "digest": backend.tales[-1].digest, "theme": "dark"}
    answer = await browser.http.post(path, data=fields)

    assert answer.status_code == 403
    assert "reload the page" in answer.text
    assert [len(tale.events) for tale in backend.tales] == before
    assert "set-cookie" not in answer.headers


async def test_the_token_of_another_person_does_not_fit() -> None:
    backend = furnished()
    key = Options().session_key
    mara, otto = visit(backend, Options(session_key=key)), visit(backend, Options(session_key=key))
    await mara.login()
    await otto.login("token-of-otto")
    stolen = await otto.token_of("/")

    assert (await mara.http.post("/pause", data={"csrf": stolen, "reason": "x"})).status_code == 403


async def test_a_form_from_another_site_does_nothing() -> None:
    browser = visit(furnished())
    await browser.login()
    fields = {"csrf": await browser.token_of("/"), "reason": "x"}
    answer = await browser.http.post("/pause", data=fields, headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403
    assert browser.backend.pausing is None


async def test_a_link_from_elsewhere_goes_once_around_for_the_strict_cookie() -> None:
    answer = await visit(furnished()).get("/incidents/INC-2041", sec_fetch_site="cross-site")

    assert answer.status_code == 200
    assert 'content="0;url=/incidents/INC-2041"' in answer.text


async def test_who_may_read_but_not_approve_is_told_and_cannot() -> None:
    backend = furnished()
    browser = visit(backend)
    await browser.login("token-of-otto")
    page = await browser.get("/incidents/INC-2041")
    assert "You are otto; who may answer: mara, noor." in page.text
    assert 'value="approve"' not in page.text

    answer = await browser.send("/incidents/INC-2041/answer", "/", verdict="approve", digest=backend.tales[-1].digest)
    assert answer.status_code == 403
    assert "approve on remediations.trimtab.dev" in answer.text
    assert backend.tales[-1].incident.approved is None


async def test_a_namespace_that_one_may_not_read_is_not_there() -> None:
    backend = furnished()
    backend.rights.discard(("mara", Right.READ, "shop"))
    backend.rights.add(("mara", Right.READ, "bank"))
    browser = visit(backend)
    await browser.login()

    assert "INC-" not in (await browser.get("/")).text
    assert (await browser.get("/incidents/INC-2041")).status_code == 404
    services = (await browser.get("/services")).text
    assert "bank/ledger" in services
    assert "shop/checkout" not in services


async def test_rights_are_asked_anew_for_every_answer() -> None:
    backend = furnished()
    browser = visit(backend)
    await browser.login()
    token = await browser.token_of("/incidents/INC-2041")
    backend.rights.discard(("mara", Right.APPROVE, "shop"))
    fields = {"csrf": token, "verdict": "approve", "digest": backend.tales[-1].digest}

    assert (await browser.http.post("/incidents/INC-2041/answer", data=fields)).status_code == 403


PROXY = Options(
    proxies=(ip_network("10.0.0.0/24"),), proxy_header="x-proxy-secret", proxy_secret=lambda: "s3cret-of-the-proxy"
)


@pytest.mark.parametrize(
    ("address", "headers", "options", "status"),
    [
        pytest.param("10.0.0.7", {"x_proxy_secret": "s3cret-of-the-proxy"}, PROXY, 200, id="trusted"),
        pytest.param("10.0.1.7", {"x_proxy_secret": "s3cret-of-the-proxy"}, PROXY, 303, id="another-address"),
        pytest.param("10.0.0.7", {"x_proxy_secret": "guess"}, PROXY, 303, id="wrong-secret"),
        pytest.param("10.0.0.7", {}, PROXY, 303, id="no-secret"),
        pytest.param("10.0.0.7", {"x_proxy_secret": ""}, replace(PROXY, proxy_secret=lambda: None), 303, id="unset"),
        pytest.param("10.0.0.7", {"x_proxy_secret": "x"}, replace(PROXY, proxies=()), 303, id="no-addresses"),
        pytest.param("unix", {"x_proxy_secret": "s3cret-of-the-proxy"}, PROXY, 303, id="no-address-at-all"),
    ],
)
async def test_proxy_headers_count_only_from_a_trusted_address_with_the_secret(
    address: str, headers: dict[str, str], options: Options, status: int
) -> None:
    browser = visit(furnished(), options, client=(address, 1))
    answer = await browser.get("/", x_forwarded_user="mara", x_forwarded_groups="sre-oncall, x", **headers)

    assert answer.status_code == status


async def test_a_person_behind_a_proxy_has_groups_and_the_forwarded_address_is_not_believed() -> None:
    asked: list[Person] = []

    class Asking(MemoryBackend):
        async def may(self, person: Person, right: Right, namespace: str | None) -> bool:
            asked.append(person)
            return True

    trusted = {"x_proxy_secret": "s3cret-of-the-proxy", "x_forwarded_user": "mara", "x_forwarded_groups": "a, b"}
    await visit(Asking(), PROXY, client=("10.0.0.7", 1)).get("/", **trusted)
    assert asked[0] == Person("mara", ("a", "b"))

    lying = {**trusted, "x_forwarded_for": "10.0.0.7"}
    assert (await visit(Asking(), PROXY, client=("10.9.9.9", 1)).get("/", **lying)).status_code == 303


@pytest.mark.parametrize(
    "path", ["/", "/login", "/nowhere", "/static/page.css", "/healthz", "/v1/incidents", "/events"]
)
async def test_every_answer_carries_the_strict_headers(path: str) -> None:
    answer = await visit(furnished()).get(path)

    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


async def test_even_a_fault_of_ours_carries_them_and_shows_no_insides() -> None:
    class Broken(MemoryBackend):
        async def asking(self) -> tuple[()]:
            raise RuntimeError("password=hunter2")

    browser = visit(Broken())
    await browser.login()
    with capture_logs() as logs:
        answer = await browser.get("/review")

    assert [entry["event"] for entry in logs] == ["page failed"]
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/", "/incidents/INC-2041", "/review", "/services", "/login"])
async def test_no_page_needs_what_the_policy_forbids(path: str) -> None:
    browser = visit(furnished())
    if path != "/login":
        await browser.login()
    text = (await browser.get(path)).text

    assert " style=" not in text
    assert "<style" not in text
    assert "javascript:" not in text
    assert " onclick" not in text
    assert all("src=" in line for line in text.splitlines() if "<script" in line)
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


async def test_nobody_logs_in_while_the_api_server_is_away() -> None:
    backend = furnished()
    browser = visit(backend)
    token = await browser.token_of("/login")
    backend.api_down = True
    answer = await browser.http.post("/login", data={"csrf": token, "token": "token-of-mara"})

    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert "trimtab-session" not in browser.http.cookies


async def test_a_body_without_bounds_is_not_read() -> None:
    browser = visit(furnished())

    assert (await browser.http.post("/login", content=b"x" * 70_000)).status_code == 413

    async def chunks() -> object:
        yield b"token=x"

    assert (await browser.http.post("/login", content=chunks())).status_code == 411  # type: ignore[arg-type]  # a generator is a body
