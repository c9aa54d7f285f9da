"""Runbooks on the command line: what EXAMPLES shows, with the exit codes that scripts rely on."""

import json
from pathlib import Path

import pytest
import yaml

from controller.cli.exits import Exit
from tests.cli.run import Trimtab


@pytest.fixture
def shipped() -> Path:
    import runbooks

    return Path(str(runbooks.__file__)).parent / "library"


def test_a_new_runbook_lints_clean_and_its_tests_pass(trimtab: Trimtab, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"

    made = trimtab("runbook", "new", "mine", "--file", str(file))

    assert made.code is Exit.OK
    assert f"next: trimtab runbook test {file}" in made.out
    assert trimtab("runbook", "lint", str(file)).out == "1 runbook, no problems\n"
    tested = trimtab("runbook", "test", str(file))
    assert tested.code is Exit.OK
    assert tested.out.splitlines() == [
        "mine  2 tests passed",
        "  needs   patch deployments, list replicasets (its namespace)",
        "  touches 1 workload, class A (value-idempotent), irreversible for automation",
    ]


def test_a_runbook_that_is_there_is_not_written_over(trimtab: Trimtab, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious")

    assert trimtab("runbook", "new", "mine", "--file", str(file)).code is Exit.FAILED
    assert file.read_text() == "precious"


@pytest.mark.parametrize("name", ["Mine", "a b", "-x", "../up", ""])
def test_what_cannot_be_a_name_is_a_matter_of_usage(trimtab: Trimtab, tmp_path: Path, name: str) -> None:
    answer = trimtab("runbook", "new", "--file", str(tmp_path / "x.yaml"), "--", name)

    assert answer.code is Exit.USAGE
    assert not (tmp_path / "x.yaml").exists()


def test_a_typo_is_told_with_its_place_and_the_nearest_word(trimtab: Trimtab, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    trimtab("runbook", "new", "my", "--file", str(file))
    file.write_text(file.read_text().replace("objects.crashLooping.share >=", "objects.crashLoping.share >="))

    answer = trimtab("runbook", "lint", str(file))

    assert answer.code is Exit.FAILED
    assert answer.out.startswith(f"{file}:9:9: objects.crashLoping")
    assert "Did you mean objects.crashLooping" in answer.out


def test_a_failing_test_tells_both_sides(trimtab: Trimtab, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    trimtab("runbook", "new", "my", "--file", str(file))
    file.write_text(file.read_text().replace("share: 0.6", "share: 0.1", 1))

    answer = trimtab("runbook", "test", str(file))
    found = trimtab("runbook", "test", str(file), "-o", "json")

    assert answer.code is found.code is Exit.FAILED
    assert "1 of 2 tests failed" in answer.out
    assert [test["passed"] for test in found.json["runbooks"][0]["tests"]] == [False, True]


def test_a_file_that_is_not_there_is_not_found(trimtab: Trimtab, tmp_path: Path) -> None:
    assert trimtab("runbook", "lint", str(tmp_path / "none.yaml")).code is Exit.NOT_FOUND
    assert trimtab("runbook", "test", str(tmp_path / "none.yaml")).code is Exit.NOT_FOUND


def test_the_shipped_runbooks_pass_their_own_gate(trimtab: Trimtab, shipped: Path) -> None:
    assert trimtab("runbook", "lint", str(shipped)).code is Exit.OK
    found = trimtab("runbook", "test", str(shipped), "--output", "json")
    assert found.code is Exit.OK
    assert all(book["passed"] for book in found.json["runbooks"])


def test_rbac_prints_a_role_and_its_binding_for_each_namespace(trimtab: Trimtab, shipped: Path) -> None:
    answer = trimtab("rbac", "--runbooks", str(shipped), "-n", "shop", "-n", "search", TRIMTAB_NAMESPACE="ops")
    objects = list(yaml.safe_load_all(answer.out))

    assert answer.code is Exit.OK
    assert [(one["kind"], one["metadata"]["namespace"]) for one in objects] == [
        ("Role", "search"),
        ("RoleBinding", "search"),
        ("Role", "shop"),
        ("RoleBinding", "shop"),
    ]
    assert objects[1]["subjects"] == [{"kind": "ServiceAccount", "namespace": "ops", "name": "trimtab"}]
    assert "*" not in json.dumps(objects)


@pytest.mark.parametrize("namespace", ["kube-system", "trimtab"])
def test_rbac_grants_nothing_where_trimtab_never_acts(trimtab: Trimtab, shipped: Path, namespace: str) -> None:
    answer = trimtab("rbac", "--runbooks", str(shipped), "-n", namespace)

    assert answer.code is Exit.FAILED
    assert f"trimtab never acts in namespace {namespace}" in answer.err
    assert "Role" not in answer.out


def test_rbac_without_a_place_asks_for_one(trimtab: Trimtab, shipped: Path) -> None:
    assert trimtab("rbac", "--runbooks", str(shipped)).code is Exit.USAGE
