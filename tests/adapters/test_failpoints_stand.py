"""A lint: every call that changes something outside stands between two failpoints, and is made where it may be.

Reads the source, so that an adapter written tomorrow is held to it too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import controller
from controller.failpoints import CALLS, KNOWN

ROOT = Path(controller.__file__).parent
ADAPTER = ROOT / "adapters" / "kubernetes"
MAY_SEND = {"cluster.py", "leases.py", "resources.py", "access.py", "events.py"}
CHANGES_NOTHING = {"access.py"}
"""Reviews are asked by POST and store nothing."""


QUERY = 3
"""Where `Api.send(method, path, body, query)` takes its query."""


def sends(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls `….send(…)` on an `Api`, but for those that say in so many words that they are dry runs."""
    for node in ast.walk(tree):
        sent = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "send"
        if isinstance(node, ast.Call) and sent and not any(map(rehearses, node.args[QUERY:])):
            yield node


def rehearses(query: ast.expr) -> bool:
    """Whether this argument is a literal query with `dryRun: All`."""
    if not isinstance(query, ast.Dict):
        return False
    pairs = zip(query.keys, query.values, strict=True)
    said = {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}
    value = said.get("dryRun")
    return isinstance(value, ast.Constant) and value.value == "All"


def guarded(tree: ast.AST) -> set[ast.Call]:
    """The sends inside `async with around(NAME)`."""
    found: set[ast.Call] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncWith) and any(
            isinstance(i.context_expr, ast.Call) and named(i.context_expr) for i in node.items
        ):
            found |= {call for statement in node.body for call in sends(statement)}
    return found


def named(call: ast.Call) -> str:
    """The failpoint or call that this expression names, empty when it is something else."""
    if not isinstance(call.func, ast.Name) or call.func.id not in {"around", "failpoint"} or not call.args:
        return ""
    name = call.args[0]
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


def unguarded(source: str) -> list[int]:
    tree = ast.parse(source)
    return [call.lineno for call in sends(tree) if call not in guarded(tree)]


@pytest.mark.parametrize("path", sorted(ADAPTER.glob("*.py")), ids=lambda path: path.name)
def test_every_change_stands_between_two_failpoints(path: Path) -> None:
    if path.name in CHANGES_NOTHING:
        return
    assert unguarded(path.read_text()) == []


@pytest.mark.parametrize("path", sorted(ADAPTER.glob("*.py")), ids=lambda path: path.name)
def test_changes_are_sent_from_few_places(path: Path) -> None:
    if path.name not in MAY_SEND:
        assert not list(sends(ast.parse(path.read_text())))


def test_the_client_library_is_called_in_one_place() -> None:
    """Whoever had the library in hand could change something beside all of this."""
    users = {path.name for path in ADAPTER.glob("*.py") if "from kubernetes" in path.read_text()}

    assert users == {"client.py", "config.py"}
    assert (ADAPTER / "client.py").read_text().count("call_api(") == 1


@pytest.mark.parametrize(
    "source",
    [
        "await api.send('PATCH', path, body)",
        "async with lock():\n  await api.send('PATCH', path, body)",
        "await api.send('POST', path, body, {'dryRun': mode})",
        "await api.send('POST', path, {'dryRun': ''})",
    ],
    ids=["bare", "under-something-else", "a-dry-run-perhaps", "no-dry-run"],
)
def test_the_lint_finds_a_planted_change(source: str) -> None:
    indented = source.replace("\n", "\n  ")
    assert unguarded(f"async def f():\n  {indented}") != []


def test_the_lint_accepts_a_guarded_change() -> None:
    assert unguarded("async def f():\n  async with around('a.b'):\n    await api.send('PATCH', p, b)") == []


def test_the_lint_lets_a_dry_run_pass() -> None:
    assert unguarded("async def f():\n  await api.send('POST', p, b, {'dryRun': 'All'})") == []


def strings(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


SOURCES = sorted(path for path in ROOT.rglob("*.py") if path.name != "failpoints.py")


@pytest.mark.parametrize("call", CALLS)
def test_every_known_failpoint_stands_somewhere(call: str) -> None:
    assert any(call in strings(path) for path in SOURCES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_failpoint_is_known(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]

    assert {name for call in calls if (name := named(call))} <= KNOWN | set(CALLS)
