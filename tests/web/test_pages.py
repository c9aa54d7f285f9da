from html.parser import HTMLParser

import pytest

from controller.core.events import Verdict
from controller.core.timeline import story
from controller.web.backend import Paused, Right
from tests.core import samples
from tests.web.client import Visit, visit
from tests.web.memory import MemoryBackend, furnished


async def logged_in(backend: MemoryBackend | None = None, token: str = "token-of-mara") -> Visit:
    browser = visit(backend or furnished())
    await browser.login(token)
    return browser


class Reader(HTMLParser):
    """What a page says, without its markup, and which tags it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("name", samples.ALL)
async def test_the_page_tells_the_whole_story_answer_first(name: str) -> None:
    tale = samples.ALL[name]()
    told = story(tale.numbered)
    assert told is not None
    browser = await logged_in(MemoryBackend(tales=[tale]))
    answer = await browser.get(f"/incidents/{tale.id}")
    text = Reader(answer.text).text

    assert answer.status_code == 200
    assert told.headline in text
    assert text.index(told.headline) < text.index("What happened")
    for row in told.rows:
        assert row.word in text
        assert row.text in text
        assert row.why in text


async def test_times_have_their_suffix_and_the_date_as_title() -> None:
    page = (await (await logged_in()).get("/incidents/INC-2041")).text

    assert '<time datetime="2026-11-20T14:02:40+00:00" title="2026-11-20 14:02:40 UTC">14:02:40' in page


async def test_hostile_text_stays_text() -> None:
    browser = await logged_in(MemoryBackend(tales=[samples.hostile()]))
    for path in ("/", "/incidents/INC-666", "/review"):
        page = (await browser.get(path)).text
        assert Reader(page).tags.count("script") == 2  # the two vendored files
        assert "<!channel>" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
    assert "<script>alert(1)</script>" in Reader((await browser.get("/incidents/INC-666")).text).text


async def test_an_approval_counts_once_and_the_second_is_told_who_was_first() -> None:
    backend = furnished()
    browser = await logged_in(backend)
    tale = backend.tales[-1]
    token = await browser.token_of("/incidents/INC-2041")
    fields = {"csrf": token, "verdict": "approve", "digest": tale.digest}
    first = await browser.http.post("/incidents/INC-2041/answer", data=fields)
    second = await browser.http.post("/incidents/INC-2041/answer", data=fields)

    assert (first.status_code, first.headers["location"]) == (303, "/incidents/INC-2041")
    assert tale.incident.approved is not None
    assert tale.incident.approved.by == "mara"
    assert second.status_code == 409
    assert "Mara has already answered: Approve." in second.text
    assert 'value="approve"' not in second.text


async def test_a_rejection_needs_and_keeps_its_reason() -> None:
    backend = furnished()
    browser = await logged_in(backend)
    tale = backend.tales[-1]
    empty = await browser.send(
        "/incidents/INC-2041/answer", "/review", verdict="reject", digest=tale.digest, reason=" "
    )
    assert empty.status_code == 409
    assert "A rejection needs a reason" in empty.text

    given = await browser.send(
        "/incidents/INC-2041/answer", "/review", verdict="reject", digest=tale.digest, reason="v42 has the fix"
    )
    assert given.status_code == 303
    assert tale.incident.rejected is not None
    assert (tale.incident.rejected.verdict, tale.incident.rejected.reason) == (Verdict.REJECT, "v42 has the fix")


@pytest.mark.parametrize("digest", ["", "0" * 16, "x" * 500], ids=["none", "another", "long"])
async def test_an_answer_to_another_plan_does_not_count(digest: str) -> None:
    backend = furnished()
    browser = await logged_in(backend)
    answer = await browser.send("/incidents/INC-2041/answer", "/", verdict="approve", digest=digest)

    assert answer.status_code == 409
    assert backend.tales[-1].incident.approved is None


async def test_an_undo_is_offered_where_it_is_declared_and_only_once() -> None:
    backend = furnished()
    browser = await logged_in(backend)
    assert "Take back the new limit" in (await browser.get("/incidents/INC-2036")).text
    assert "Take back" not in (await browser.get("/incidents/INC-2035")).text

    answer = await browser.send("/incidents/INC-2036/undo", "/incidents/INC-2036")
    assert answer.status_code == 303
    tale = next(tale for tale in backend.tales if tale.id == "INC-2036")
    assert tale.incident.action is not None
    assert tale.incident.action.undo_asked_by == "mara"
    assert "Take back" not in (await browser.get("/incidents/INC-2036")).text


async def test_an_undo_of_what_cannot_be_undone_is_refused_in_words() -> None:
    browser = await logged_in()
    answer = await browser.send("/incidents/INC-2035/undo", "/")

    assert answer.status_code == 409
    assert "Rollback cannot be undone by automation." in answer.text


async def test_the_review_queue_shows_what_expires_first_in_front() -> None:
    later = samples.renamed(samples.asked(), "INC-1")
    backend = MemoryBackend(tales=[later, samples.asked(), samples.repaired()])
    page = (await (await logged_in(backend)).get("/review")).text

    assert page.count("Approve the rollback") == 2
    assert all(fact in page for fact in ("What", "Cause", "Change", "Touches", "Undo", "Confidence"))


async def test_the_kill_switch_is_at_hand_and_shown_everywhere() -> None:
    backend = furnished()
    browser = await logged_in(backend)
    answer = await browser.send("/pause", "/services", reason="network maintenance", next="/services")
    assert (answer.status_code, answer.headers["location"]) == (303, "/services")
    for path in ("/", "/review", "/services", "/incidents/INC-2041"):
        assert "network maintenance, by mara." in Reader((await browser.get(path)).text).text
    assert (await browser.send("/resume", "/", next="/")).status_code == 303
    assert backend.pausing is None


async def test_an_unreadable_kill_switch_reads_as_paused() -> None:
    backend = furnished()
    backend.pausing = Paused("the API server does not answer", known=False)
    page = (await (await logged_in(backend)).get("/")).text

    assert "so it counts as paused" in page
    assert "Resume automation" not in page


async def test_only_who_may_pause_is_offered_to() -> None:
    backend = furnished()
    backend.rights.discard(("mara", Right.PAUSE, None))
    browser = await logged_in(backend)

    assert "Pause automation" not in (await browser.get("/")).text
    assert (await browser.send("/pause", "/", reason="x")).status_code == 403


async def test_services_show_the_health_of_their_data_and_what_would_have_been() -> None:
    text = Reader((await (await logged_in()).get("/services")).text).text

    assert "stale the newest scrape is 312 s old" in text
    assert "not looked at yet" in text
    assert "observed only; would have asked whether to roll back to v41" in text


@pytest.mark.parametrize(
    ("path", "hint"),
    [("/", "trimtab doctor"), ("/review", "kubectl get remediations -A"), ("/services", "watch_namespaces")],
)
async def test_an_empty_page_says_what_to_do_next(path: str, hint: str) -> None:
    assert hint in (await (await logged_in(MemoryBackend())).get(path)).text


async def test_the_list_goes_on_on_the_next_page() -> None:
    backend = MemoryBackend(tales=[samples.renamed(samples.cleared(), f"INC-{n}") for n in range(1, 60)])
    browser = await logged_in(backend)
    first, second = (await browser.get("/")).text, (await browser.get("/?skip=50")).text

    assert "/?skip=50" in first
    assert "INC-59<" in first
    assert "INC-9<" not in first
    assert "INC-9<" in second
    assert "Older incidents" not in second


@pytest.mark.parametrize(
    ("path", "status", "remedy"),
    [
        ("/nowhere", 404, "look at the list of incidents"),
        ("/incidents/INC-9", 404, "trimtab incidents"),
        ("/?skip=-1", 422, "mend the address"),
        ("/pause", 405, "go back"),
    ],
)
async def test_an_error_page_has_a_remedy(path: str, status: int, remedy: str) -> None:
    answer = await (await logged_in()).get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert remedy in answer.text


async def test_the_story_and_the_plan_can_be_taken_along_as_text() -> None:
    browser = await logged_in()
    export = await browser.get("/incidents/INC-2041/markdown")
    plan = await browser.get("/incidents/INC-2041/plan")

    assert export.headers["content-type"] == "text/markdown; charset=utf-8"
    assert export.text.startswith("## INC-2041: shop/checkout")
    assert plan.headers["content-type"].startswith("text/plain")
    assert "Not restored" in plan.text


async def test_the_theme_is_kept_without_scripts_even_before_the_login() -> None:
    browser = visit(furnished())
    answer = await browser.send("/theme", "/login", theme="dark", next="/login")

    assert answer.status_code == 303
    assert 'data-theme="dark"' in (await browser.get("/login")).text
    odd = await browser.send("/theme", "/login", theme='"><script>', next="/login")
    assert "set-cookie" not in odd.headers
