"""A ticket logs in once, and only where there are tickets."""

from controller.ports import Person
from controller.web.options import Options
from controller.web.tickets import Tickets
from tests.web.client import visit
from tests.web.memory import furnished

MARA = Person("mara")


async def test_without_tickets_there_is_no_entrance() -> None:
    assert (await visit(furnished()).get("/enter?ticket=x")).status_code == 404


async def test_a_ticket_logs_in_its_person_once() -> None:
    backend, tickets = furnished(), Tickets()
    options, ticket = Options(tickets=tickets), tickets.issue(MARA)
    first = visit(backend, options)
    answer = await first.get(f"/enter?ticket={ticket}&to=/review")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    assert "mara" in (await first.get("/review")).text

    second = visit(backend, options)
    answer = await second.get(f"/enter?ticket={ticket}")
    assert answer.status_code == 403
    assert "used" in answer.text
    assert (await second.get("/review")).status_code == 303


async def test_whoever_is_in_goes_straight_on_and_leads_nowhere_else() -> None:
    tickets = Tickets()
    browser = visit(furnished(), Options(tickets=tickets))
    await browser.get(f"/enter?ticket={tickets.issue(MARA)}")

    assert (await browser.get("/enter?to=/services")).headers["location"] == "/services"
    assert (await browser.get("/enter?to=https://elsewhere.test/")).headers["location"] == "/"


async def test_a_guess_is_nobody() -> None:
    tickets = Tickets()
    tickets.issue(MARA)

    assert (await visit(furnished(), Options(tickets=tickets)).get("/enter?ticket=guess")).status_code == 403
