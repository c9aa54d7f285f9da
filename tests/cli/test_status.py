"""What the running program is asked for: shown on any terminal, refused clearly, and never invented."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli.asking import loopback
from controller.cli.exits import Exit
from tests.cli.conftest import stored
from tests.cli.run import Answer, Trimtab
from tests.core import samples
from tests.core.samples import renamed
from tests.web.memory import MemoryBackend, furnished
from tests.web.served import Served, served

Asked = tuple[str, ...]


@pytest.fixture
def running() -> Iterator[Served]:
    with served(furnished()) as server:
        yield server


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("token-of-mara\n")
    return file


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that nobody answers at, for as long as the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def ask(trimtab: Trimtab, server: Served, token: Path, *more: str, **env: str) -> Answer:
    return trimtab("status", "--url", server.url, "--token-file", str(token), *more, **env)


@pytest.mark.parametrize("columns", ["60", "80", "100", "120", "150"])
def test_every_service_is_shown_on_any_width(trimtab: Trimtab, running: Served, token: Path, columns: str) -> None:
    answer = ask(trimtab, running, token, COLUMNS=columns)

    assert answer.code is Exit.OK
    assert max(len(line) for line in answer.out.splitlines()) <= int(columns)
    for told in ("checkout", "search", "basket", "invoices", "212/s", "≤ 338/s", "INC-2041", "▲ stale", "9 held"):
        assert told in answer.out
    assert "ledger" not in answer.out  # of a namespace that mara may not read
    assert "\x1b" not in answer.out


def test_a_number_that_is_not_there_is_a_dash_with_its_reason(trimtab: Trimtab, running: Served, token: Path) -> None:
    answer = ask(trimtab, running, token)

    (row,) = [line for line in answer.out.splitlines() if line.startswith("shop/invoices")]
    assert "–" in row
    assert not any(character.isdigit() for character in row)
    assert "no load and forecast of shop/invoices (StatefulSet): no metrics preset" in answer.out
    assert "data of shop/search: the newest scrape is 312 s old" in answer.out


def test_what_would_have_been_done_is_listed(trimtab: Trimtab, running: Served, token: Path) -> None:
    answer = ask(trimtab, running, token)

    assert "○ Fri 20 Nov 14:02 UTC  shop/basket: roll back to v41, after asking · INC-2038" in answer.out
    assert answer.out.rstrip().endswith("next, in the pod: trimtab explain INC-2041")


def test_programs_get_numbers_and_nulls(trimtab: Trimtab, running: Served, token: Path) -> None:
    found = ask(trimtab, running, token, "--json").json

    services = {service["name"]: service for service in found["services"]}
    assert services["checkout"]["forecast"] == {
        "value": 338.0,
        "unit": "1/s",
        "text": "338/s",
        "why": "with a chance of 95 %",
        "until": "2026-11-20T14:11:00Z",
    }
    assert services["invoices"]["load"]["value"] is None
    assert services["invoices"]["data"]["healthy"] is None
    assert (services["checkout"]["modes"], services["basket"]["modes"]) == ("Floor, Rollback, Auto", "Observe")
    assert found["questions"] == ["INC-2041"]
    assert [would["asked_first"] for would in found["would"]] == [True]
    assert ask(trimtab, running, token, "--output", "json").json == found


def test_one_namespace_is_enough(trimtab: Trimtab, running: Served, token: Path) -> None:
    assert "no service is watched in elsewhere" in ask(trimtab, running, token, "-n", "elsewhere").out
    assert len(ask(trimtab, running, token, "-n", "shop", "--json").json["services"]) == 4


def test_markdown_is_a_table(trimtab: Trimtab, running: Served, token: Path) -> None:
    out = ask(trimtab, running, token, "-o", "markdown").out

    assert "| shop/checkout | 212/s | ≤ 338/s to 14:11 | ✔ healthy | 5 of 12 |" in out


def test_nothing_foreign_steers_the_terminal(trimtab: Trimtab, token: Path) -> None:
    with served(MemoryBackend(tales=[samples.hostile()], found=furnished().found)) as server:
        answer = ask(trimtab, server, token)

    assert not [character for character in answer.out if ord(character) < 32 and character != "\n"]
    assert "\u202e" not in answer.out


def test_a_token_that_nobody_knows_is_denied_and_says_how_to_get_one(
    trimtab: Trimtab, running: Served, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("token-of-eve")

    answer = ask(trimtab, running, tmp_path / "wrong")

    assert (answer.code, answer.out) == (Exit.DENIED, "")
    assert "kubectl -n NAMESPACE create token ACCOUNT" in answer.err
    assert "token-of-eve" not in answer.err


@pytest.mark.parametrize("content", ["", "two words", "a\nb", "a\x00b"], ids=["empty", "words", "lines", "control"])
def test_a_file_without_a_token_is_a_mistake(trimtab: Trimtab, running: Served, tmp_path: Path, content: str) -> None:
    (tmp_path / "odd").write_text(content)

    assert ask(trimtab, running, tmp_path / "odd").code is Exit.USAGE


def test_a_program_that_does_not_run_is_said_with_what_its_log_knows(
    trimtab: Trimtab, nobody: int, token: Path
) -> None:
    stored(trimtab.folder, renamed(samples.asked(), "INC-2"))

    answer = trimtab("status", TRIMTAB_HTTP_PORT=str(nobody))

    assert answer.code is Exit.DEGRADED
    assert f"trimtab does not answer at http://127.0.0.1:{nobody}" in answer.err
    assert "kubectl -n trimtab exec deploy/trimtab -- trimtab status" in answer.err
    assert "1 incident, 1 waiting for an answer" in answer.out


def test_a_program_that_does_not_run_and_no_log_is_a_failure(trimtab: Trimtab, nobody: int) -> None:
    answer = trimtab("status", TRIMTAB_HTTP_PORT=str(nobody), TRIMTAB_NAMESPACE="ops")

    assert (answer.code, answer.out) == (Exit.FAILED, "")
    assert "kubectl -n ops exec deploy/trimtab -- trimtab status" in answer.err


def test_an_api_server_that_is_away_is_said_by_the_program(trimtab: Trimtab, token: Path) -> None:
    backend = furnished()
    backend.api_down = True
    with served(backend) as server:
        answer = ask(trimtab, server, token)

    assert answer.code is Exit.FAILED
    assert "the API server does not answer" in answer.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://trimtab.test:8080", "would travel to trimtab.test in the clear"),
        ("ftp://127.0.0.1", "is no address"),
        ("8080", "is no address"),
    ],
)
def test_a_token_travels_only_where_nobody_can_read_along(trimtab: Trimtab, token: Path, url: str, said: str) -> None:
    answer = trimtab("status", "--url", url, "--token-file", str(token))

    assert answer.code is Exit.USAGE
    assert said in answer.err


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.0.0.1.test", False), ("10.0.0.1", False)],
)
def test_only_this_machine_is_this_machine(host: str, own: bool) -> None:
    assert loopback(host) is own


# The report


@pytest.fixture
def told(trimtab: Trimtab) -> Trimtab:
    """A log of the samples' Friday."""
    stored(trimtab.folder, renamed(samples.repaired(), "INC-1"), renamed(samples.observed(), "INC-2"))
    return trimtab


def test_the_report_is_read_from_the_log(told: Trimtab) -> None:
    text, found = told("report", "--days", "366"), told("report", "--days", "366", "-o", "json").json

    assert text.code is Exit.OK
    assert text.out.startswith("In the last 366 days I acted once, and would have asked once whether to act.")
    assert found["headline"] == text.out.splitlines()[0]
    assert (found["acted"], found["would_have_asked"], found["incidents"]) == (1, 1, 2)
    assert "### shop/checkout" in told("report", "--days", "366", "-o", "markdown").out


def test_a_report_can_end_where_it_is_wished(told: Trimtab) -> None:
    """A log of long ago has something to tell, whatever the day."""
    that_week, before = told("report", "--until", "2026-11-21"), told("report", "--until", "2026-11-20T00:00")

    assert "to Sat 21 Nov 00:00 UTC" in that_week.out
    assert that_week.out.startswith("Last week I acted once, and would have asked once whether to act.")
    assert before.out.startswith("Last week I saw nothing break.")


def test_the_report_fits_on_sixty_columns(told: Trimtab) -> None:
    out = told("report", "--days", "366", COLUMNS="60").out

    assert max(len(line) for line in out.splitlines()) <= 60


def test_an_empty_log_has_a_quiet_week(trimtab: Trimtab) -> None:
    stored(trimtab.folder)

    assert trimtab("report").out.startswith("Last week I saw nothing break.")


def test_without_a_log_the_report_says_where_it_is(trimtab: Trimtab) -> None:
    answer = trimtab("report")

    assert answer.code is Exit.FAILED
    assert "exec deploy/trimtab -- trimtab report --days 7" in answer.err
    assert os.linesep in answer.err
