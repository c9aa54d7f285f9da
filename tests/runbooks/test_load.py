"""Loading: every problem of a file at once, each with its place, and nothing that crashes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.load import Loaded, from_object, library, load_path, load_paths, load_text
from runbooks.problem import Problem
from runbooks.schema import Runbook
from tests.runbooks.examples import EXAMPLE, runbook


def lines(text: str) -> list[str]:
    return [str(problem) for problem in load_text(text, "my.yaml").problems]


def test_the_example_of_the_documentation_loads() -> None:
    example = runbook()

    assert example.reference == "crash-loop-after-rollout@1"
    assert example.spec.steps[0].remediation == "rollback"
    assert example.spec.steps[0].parameters == {"to": "lastHealthy"}
    assert example.spec.when_not == "changes.rollout.previousAlsoFailed"


ALL_FIELDS = "summary, targets, when, whenNot, cause, steps, verify, expires, escalate, severity, tests"

MISTAKES = {
    "typo-in-a-fact": (
        "objects.crashLooping.share >=",
        "objects.crashLoping.share >=",
        (
            "my.yaml:7:9: objects.crashLoping does not exist. Did you mean objects.crashLooping?"
            " (known: crashLooping, oomKilled, imagePull, …)"
        ),
    ),
    "typo-in-the-middle": (
        "changes.rollout.age <",
        "changes.rollut.age <",
        "my.yaml:7:46: changes.rollut does not exist. Did you mean changes.rollout? (known: rollout)",
    ),
    "unknown-field": (
        "  whenNot:",
        "  whennot:",
        f"my.yaml:8:3: whennot is not a field here. Did you mean whenNot? (known: {ALL_FIELDS})",
    ),
    "snake-case": (
        "  whenNot:",
        "  when_not:",
        f"my.yaml:8:3: when_not is not a field here. Did you mean whenNot? (known: {ALL_FIELDS})",
    ),
    "missing-field": ("  cause: bad rollout\n", "", "my.yaml:4:1: cause is missing"),
    "wrong-type": ("summary: A new", "summary: [A new]\n  # ", "my.yaml:5:12: summary: should be a valid string"),
    "bad-duration": (
        "timeout: 5m",
        "timeout: 5 minutes",
        "my.yaml:12:16: '5 minutes' is not a duration: write it like 30s, 5m or 1h30m",
    ),
    "number-for-duration": (
        "timeout: 5m",
        "timeout: 300",
        "my.yaml:12:16: 300 is not a duration: write it like 30s, 5m or 1h30m",
    ),
    "impossible-range": (
        "timeout: 5m",
        "timeout: 5d",
        "my.yaml:12:16: timeout: should be less than or equal to 2 hours",
    ),
    "impossible-together": (
        "within: 10m",
        "within: 30s",
        "my.yaml:14:5: can never succeed: it must hold for 1m but ends after 30s",
    ),
    "unknown-remediation": (
        "- rollback:",
        "- rolback:",
        "my.yaml:11:7: rolback is not a remediation. Did you mean rollback? (known: limits, restart, rollback)",
    ),
    "unknown-parameter": (
        "rollback: {to:",
        "rollback: {too:",
        "my.yaml:11:18: too is not a field here. Did you mean to? (known: to)",
    ),
    "bad-parameter": (
        "rollback: {to: lastHealthy}",
        "rollback: {to: lastHealty}",
        "my.yaml:11:22: to: 'lastHealty' is not possible here. Did you mean lastHealthy? (known: lastHealthy)",
    ),
    "unknown-kind-of-target": (
        "[Deployment]",
        "[Deploymnt]",
        "my.yaml:6:13: rollback does not act on Deploymnt. Did you mean Deployment? (known: Deployment)",
    ),
    "cause": (
        "bad rollout",
        "bad rolout",
        (
            "my.yaml:9:10: 'bad rolout' is not a cause that is diagnosed. Did you mean bad rollout? (known: bad"
            " rollout, image cannot be pulled, new version never becomes ready, memory limit too low, process in a bad"
            " state, dependency, node)"
        ),
    ),
    "two-remediations": (
        "      timeout: 5m",
        "      restart: {}",
        "my.yaml:11:7: names 2 remediations; each step names exactly one",
    ),
    "receiver": (
        "to: group:sre-oncall",
        "to: sre-oncall",
        "my.yaml:16:31: to: 'sre-oncall' does not fit ^(group|user):[A-Za-z0-9][A-Za-z0-9._:@-]*$",
    ),
    "condition-in-a-list": (
        "signals.errors.normal]",
        "signals.errors.norml]",
        (
            "my.yaml:15:47: signals.errors.norml does not exist. Did you mean signals.errors.normal? (known: value,"
            " normal, abnormal, …)"
        ),
    ),
    "given-fact": (
        "{share: 0.6}}, changes: {rollout: {age: 2m, previousAlsoFailed: false",
        "{shar: 0.6}}, changes: {rollout: {age: 2m, previousAlsoFailed: false",
        (
            "my.yaml:19:40: objects.crashLooping.shar does not exist. Did you mean objects.crashLooping.share?"
            " (known: share, count)"
        ),
    ),
    "given-type": (
        "{age: 2m, previousAlsoFailed: true",
        "{age: 120, previousAlsoFailed: true",
        "my.yaml:22:79: changes.rollout.age should be a duration like 30s, 5m or 1h30m",
    ),
    "expected-word": (
        "expect: nothing",
        "expect: nothin",
        "my.yaml:23:15: 'nothin' cannot be expected: write nothing, or {step: NAME}",
    ),
    "expected-step": (
        "{step: rollback,",
        "{step: rolback,",
        "my.yaml:20:22: rolback is not a step of this runbook. Did you mean rollback? (known: rollback)",
    ),
    "expected-parameter": (
        "rollback, to:",
        "rollback, too:",
        "my.yaml:20:32: rollback has no parameter too. Did you mean to? (known: to)",
    ),
    "same-test-twice": (
        "name: the version before it crashed as well",
        "name: crash loop two minutes after a rollout",
        "my.yaml:21:13: another test is called 'crash loop two minutes after a rollout'",
    ),
    "kind": (
        "kind: Runbook",
        "kind: Runbok",
        "my.yaml:2:7: kind: 'Runbok' is not possible here. Did you mean Runbook? (known: Runbook, ClusterRunbook)",
    ),
    "version": (
        "{name: crash-loop-after-rollout}",
        "{name: x, annotations: {trimtab.dev/version: three}}",
        "my.yaml:3:56: 'three' is not a version: write a whole number from 1, in quotes",
    ),
    "key-twice": ("  cause: bad", "  cause: x\n  cause: bad", "my.yaml:10:3: cause is there twice (first in line 9)"),
    "alias": ("{to: lastHealthy}\n", "*other\n", "my.yaml:11:17: aliases (*name) are not allowed here"),
    "tag": (
        "summary: A",
        "summary: !!python/name:os.system A",
        "my.yaml:5:12: the tag tag:yaml.org,2002:python/name:os.system is not allowed here",
    ),
    "too-few": ("[Deployment]", "[]", "my.yaml:6:12: targets: holds 0, at least 1 is possible"),
    "too-many": ("[Deployment]", f"[{'Deployment, ' * 9}]", "my.yaml:6:12: targets: holds 9, at most 8 is possible"),
}


@pytest.mark.parametrize(("right", "wrong", "line"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_place_and_the_nearest_word(right: str, wrong: str, line: str) -> None:
    assert right in EXAMPLE

    assert line in lines(EXAMPLE.replace(right, wrong, 1))


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_the_text() -> None:
    text = EXAMPLE
    for name in ("unknown-field", "typo-in-a-fact", "bad-duration", "unknown-parameter", "expected-word"):
        right, wrong, _ = MISTAKES[name]
        text = text.replace(right, wrong, 1)

    told = lines(text)

    assert [line.split(":")[1] for line in told] == ["7", "8", "11", "12", "23"]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ('"objects.crashLoping.share >= 0.5"', (7, 10)),
        ("'alerts.names == [''x''] && objects.crashLoping.share >= 0.5'", (7, 37)),
        ('"alerts.names == [\\"x\\"] && objects.crashLoping.share >= 0.5"', (7, 37)),
        (">-\n    alerts.firing\n    && objects.crashLoping.share >= 0.5", (9, 8)),
        ("|\n    alerts.firing &&\n      objects.crashLoping.share >= 0.5", (9, 7)),
        ("alerts.firing\n    && objects.crashLoping.share >= 0.5", (8, 8)),
    ],
    ids=["double-quoted", "single-quoted", "escapes", "folded", "literal", "plain-over-lines"],
)
def test_the_column_inside_an_expression_is_right_in_every_yaml_style(written: str, place: tuple[int, int]) -> None:
    text = EXAMPLE.replace('objects.crashLooping.share >= 0.5 && changes.rollout.age < duration("30m")', written)

    (problem,) = load_text(text, "my.yaml").problems

    assert (problem.line, problem.column) == place


def test_several_documents_may_stand_in_one_file_and_a_name_only_once() -> None:
    other = EXAMPLE.replace("crash-loop-after-rollout", "other", 1)

    loaded = load_text(f"{EXAMPLE}---\n{other}---\n{EXAMPLE}", "my.yaml")

    assert [found.name for found in loaded.runbooks] == ["crash-loop-after-rollout", "other"]
    assert [str(problem) for problem in loaded.problems] == [
        "my.yaml:49:1: Runbook crash-loop-after-rollout is already there (my.yaml:1)"
    ]


def test_a_name_stands_only_once_over_several_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(EXAMPLE)

    loaded = load_path(tmp_path)

    assert len(loaded.runbooks) == 1
    assert [problem.file for problem in loaded.problems] == [str(tmp_path / "b.yaml")]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "holds no runbook"), (b"a: b\nc: \xff", "is not UTF-8 text"), (b"#" * 300_000, "is larger than 256 KiB")],
    ids=["empty", "bytes", "large"],
)
def test_a_file_that_is_no_runbook_is_a_problem(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content)

    (problem,) = load_path(file).problems

    assert problem.message == message


def test_what_is_not_there_and_what_is_empty_is_a_problem(tmp_path: Path) -> None:
    loaded = load_paths((tmp_path / "none.yaml", tmp_path))

    assert [problem.message for problem in loaded.problems] == [
        "cannot be read: No such file or directory",
        "holds no .yaml file",
    ]


def test_nesting_without_end_is_a_problem() -> None:
    assert lines("[" * 5000) == ["my.yaml:1:33: nested deeper than 32 levels"]


def test_a_step_that_can_be_undone_stands_before_one_that_cannot() -> None:
    """S27: the cheapest reversible step first."""
    text = EXAMPLE.replace("      timeout: 5m\n", "    - limits: {factor: 1.5}\n")

    assert "my.yaml:12:7: limits can be undone and rollback cannot: put limits before it" in lines(text)


@pytest.mark.parametrize("example", library(), ids=lambda found: found.name)
def test_a_runbook_is_the_kubernetes_object_and_comes_back_from_it(example: Runbook) -> None:
    stored = json.loads(json.dumps(example.to_object()))

    assert from_object(stored) == example


def test_what_the_api_server_adds_is_accepted_and_its_generation_is_the_version() -> None:
    stored: dict[str, Any] = runbook().to_object()
    stored["metadata"] |= {
        "uid": "u",
        "resourceVersion": "7",
        "generation": 3,
        "managedFields": [{}],
        "namespace": "shop",
    }
    stored["status"] = {"conditions": []}

    found = from_object(stored)

    assert isinstance(found, Runbook)
    assert found.reference == "crash-loop-after-rollout@3"


def test_the_version_of_a_file_is_its_annotation() -> None:
    text = EXAMPLE.replace("{name: crash-loop-after-rollout}", '{name: x, annotations: {trimtab.dev/version: "12"}}')

    assert runbook(text).reference == "x@12"


def test_a_problem_of_a_cluster_object_names_its_path() -> None:
    stored = runbook().to_object()
    stored["spec"]["steps"][0]["rollback"] = {"to": "yesterday"}

    problems = from_object(stored)

    assert isinstance(problems, tuple)
    assert [str(problem) for problem in problems] == [
        "spec.steps[0].rollback.to: to: 'yesterday' is not possible here. (known: lastHealthy)"
    ]


def test_a_cluster_runbook_has_no_namespace() -> None:
    text = EXAMPLE.replace("kind: Runbook", "kind: ClusterRunbook").replace("rollout}", "rollout, namespace: shop}")

    assert lines(text) == ["my.yaml:3:55: a ClusterRunbook has no namespace; a Runbook has"]


WORDS = st.sampled_from(
    sorted({*EXAMPLE.replace("\n", "\n ").split(" "), "!!binary", "&a", "*a", "<<:", "0b_", "? ", "\t"})
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_random_text_never_crashes_loading(text: str) -> None:
    loaded = load_text(text, "random.yaml")

    assert isinstance(loaded, Loaded)
    assert loaded.found or loaded.problems


@given(st.integers(0, len(EXAMPLE) - 1), st.integers(0, 30), st.text(max_size=8))
def test_a_damaged_runbook_loads_or_is_told_never_crashes(at: int, cut: int, inserted: str) -> None:
    loaded = load_text(EXAMPLE[:at] + inserted + EXAMPLE[at + cut :], "damaged.yaml")

    assert loaded.found or loaded.problems
    assert all(problem.line > 0 for problem in loaded.problems)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("apiVersion", "kind", "metadata", "spec")
SPEC = ("summary", "targets", "when", "whenNot", "cause", "steps", "verify", "expires", "escalate", "severity", "tests")


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    st.dictionaries(st.sampled_from(SPEC), JSON),
    st.booleans(),
)
def test_a_cluster_object_of_any_shape_is_a_runbook_or_problems(
    top: dict[str, Any], spec: dict[str, Any], whole: bool
) -> None:
    base = runbook().to_object()
    stored = {**base, **top, "spec": {**base["spec"], **spec}} if whole else {**top, "spec": spec}

    found = from_object(stored)

    if not isinstance(found, Runbook):
        assert found
        assert all(isinstance(problem, Problem) for problem in found)
