"""S35: planted secrets are found in no log line and no output."""

import io
import json
import logging
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from controller import logs
from controller.cli.screen import Screen
from controller.redaction import HIDDEN, Redaction, SecretFiles
from tests.cli.conftest import stored
from tests.cli.run import Trimtab
from tests.core import samples

CANARIES = {
    "slack/bot-token": "xoxb-canary-1111-abcdef",
    "slack/app-token": "xapp-canary-2222-abcdef",
    "prometheus/bearer": "canary-bearer-3333",
    "prometheus/password": 'canary "quoted" \\ 4444 ü',
    "pagerduty/key": "canary5555canary5555",
    "database/url": "postgresql://trimtab:c%40nary-6666@127.0.0.1:1/none",
    "webhook/secret": "canary-7777\n",
}
SPELLINGS = [
    *(text.strip() for text in CANARIES.values()),
    *("c%40nary-6666", "c@nary-6666", json.dumps(CANARIES["prometheus/password"])[1:-1]),
]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    for name, text in CANARIES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def clean(text: str) -> bool:
    return not [spelling for spelling in SPELLINGS if spelling in text]


def test_the_canaries_would_be_found() -> None:
    assert not any(clean(f"… {spelling} …") for spelling in SPELLINGS)


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_reaches_the_log(planted: Path, form: str) -> None:
    stream = io.StringIO()
    logs.configure(stream, "debug", "json" if form == "json" else "console", Redaction(SecretFiles(planted)))
    log = structlog.get_logger("controller.somewhere")

    for text in CANARIES.values():
        log.info("said", plain=text, nested={"deep": [text, {"er": (text,)}]}, raw=text.encode())
        log.warning(text)
        logging.getLogger("slack_bolt").warning("from a library: %s", text)
        try:
            int(f"cannot use {text}")
        except ValueError:
            log.exception("broke")

    told = stream.getvalue()
    assert told.count("broke") == len(CANARIES)
    assert HIDDEN in told
    assert clean(told)


def test_a_log_line_is_one_json_object_with_a_constant_event(planted: Path) -> None:
    stream = io.StringIO()
    logs.configure(stream, "info", "json", Redaction(SecretFiles(planted)))

    structlog.get_logger("controller.x").info("step applied", incident="INC-1", step=2)

    line = json.loads(stream.getvalue())
    assert (line["event"], line["incident"], line["step"], line["level"]) == ("step applied", "INC-1", 2, "info")


def test_a_secret_that_is_rotated_is_hidden_at_once_and_the_old_one_still_in_that_moment(planted: Path) -> None:
    now = [0.0]
    redact = Redaction(SecretFiles(planted, monotonic=lambda: now[0]))
    assert HIDDEN in redact("canary-bearer-3333")

    (planted / "prometheus/bearer").write_text("canary-rotated-8888")
    now[0] += 10

    assert "canary-rotated-8888" not in redact("canary-rotated-8888")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefgh12345678",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        "postgresql://trimtab:hunter22@db/trimtab",
        "host=db password=hunter22 user=x",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabcdef\n-----END EC PRIVATE KEY-----",
        "xoxb-1234567890-abcdef",
    ],
    ids=["bearer", "jwt", "address", "conninfo", "key", "slack"],
)
def test_what_looks_like_a_secret_is_hidden_without_a_file(text: str) -> None:
    shown = Redaction()(text)

    assert HIDDEN in shown
    assert not {"abcdefgh12345678", "c2lnbmF0dXJl", "hunter22", "MHcCAQEEIabcdef", "xoxb-1234567890-abcdef"} & set(
        shown.replace("@", " ").replace("=", " ").replace(":", " ").split()
    )


@given(st.text(min_size=6).map(str.strip).filter(lambda text: len(text) >= 6), st.text(), st.text())
def test_a_known_secret_never_survives(secret: str, before: str, after: str) -> None:
    shown = Redaction(lambda: (secret,))(f"{before}{secret}{after}")

    assert secret not in shown or secret in HIDDEN or secret in f"{before}{HIDDEN}{after}"


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_no_secret_reaches_the_output_of_doctor(trimtab: Trimtab, planted: Path, output: str) -> None:
    answer = trimtab(
        "doctor",
        "--output",
        output,
        TRIMTAB_PROMETHEUS_URL="http://127.0.0.1:1/",
        TRIMTAB_PROMETHEUS_USERNAME="trimtab",
        TRIMTAB_SLACK_CHANNEL="#ops",
        TRIMTAB_SLACK_API_URL="http://127.0.0.1:1/api/",
        TRIMTAB_SECRETS=str(planted),
    )

    assert answer.out
    assert clean(answer.out)
    assert clean(answer.err)


@pytest.mark.parametrize(
    "command", ["explain 1", "explain 1 -o json", "explain 1 -o markdown", "plan 1", "report --days 366"]
)
def test_a_secret_that_got_into_the_log_is_hidden_when_told(trimtab: Trimtab, tmp_path: Path, command: str) -> None:
    tale = samples.renamed(samples.repaired(), "INC-1")
    stored(tmp_path, tale)
    folder = tmp_path / "secrets" / "page"
    folder.mkdir(parents=True)
    (folder / "session-key").write_text("crash-loop-after-rollout")

    answer = trimtab(*command.split())

    assert "crash-loop-after-rollout" not in answer.out


def test_what_is_marked_or_tabulated_is_hidden_too(planted: Path) -> None:
    out = io.StringIO()
    screen = Screen(hide=Redaction(SecretFiles(planted)), out=out, err=out)

    screen.marked("✔", f"token {CANARIES['prometheus/bearer']}")
    screen.table(("A", "B"), [("x", CANARIES["slack/bot-token"])])
    screen.problem(CANARIES["pagerduty/key"])
    screen.json({"a": [CANARIES["prometheus/password"]]})

    assert clean(out.getvalue())
