"""YAML with places: plain data, and where in the text each part of it stands.

Promises that hostile text is a finding and never an exception: aliases, foreign tags, duplicate keys, deep nesting
and characters that are not text are refused, and a number that YAML would read as a date stays text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from pydantic import JsonValue
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from runbooks.problem import Finding, Path, Problem, dotted

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses aliases and depth, and knows no dates."""

    depth = 0

    def compose_node(self, parent: Node | None, index: object) -> Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # not covered by the stubs
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(_Stop("aliases (*name) are not allowed here", *_at(event)))
        if self.depth >= MAX_DEPTH:
            raise yaml.YAMLError(_Stop(f"nested deeper than {MAX_DEPTH} levels", *_at(event)))
        self.depth += 1
        try:
            return super().compose_node(parent, index)  # type: ignore[arg-type]  # the stubs know a mapping's index only as a number
        finally:
            self.depth -= 1


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if tag in _TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class _Stop:
    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its data, what is wrong with its text, and where every path stands."""

    file: str
    text: str
    data: JsonValue
    findings: tuple[Finding, ...]
    keys: dict[Path, Node] = field(repr=False)
    values: dict[Path, Node] = field(repr=False)

    def problem(self, finding: Finding) -> Problem:
        """The finding with file, line and column; a path that is not in the text is placed at its nearest parent."""
        path = finding.path
        while path not in self.values:
            path = path[:-1]
        exact = path == finding.path
        node = self.values[path] if exact and not finding.on_key else self.keys.get(path, self.values[path])
        mark = node.start_mark
        line, column = mark.line + 1, mark.column + 1
        if exact and finding.offset is not None and isinstance(node, ScalarNode):
            line, column = self._inside(node, finding.offset)
        return Problem(self.file, line, column, finding.message, dotted(finding.path))

    def _inside(self, node: ScalarNode, offset: int) -> tuple[int, int]:
        """The place of a character of a scalar's value: folding moves blanks only, so the others are counted."""
        start, end = node.start_mark.index, node.end_mark.index
        if node.style in {"|", ">"}:
            start = self.text.find("\n", start) + 1
        elif node.style in {"'", '"'}:
            start += 1
        skip = sum(1 for letter in node.value[:offset] if not letter.isspace())
        at = start
        while at < end:
            letter = self.text[at]
            if (node.style == "'" and self.text.startswith("''", at)) or (node.style == '"' and letter == "\\"):
                at += 1
            elif letter.isspace():
                at += 1
                continue
            if skip == 0:
                break
            skip -= 1
            at += 1
        before = self.text[:at]
        return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def documents(text: str, file: str) -> Iterator[Document | Problem]:
    """Every document of a text; broken YAML is a Problem and ends it, since what follows cannot be told apart."""
    if len(text) > MAX_BYTES:
        yield Problem(file, 1, 1, f"is larger than {MAX_BYTES // 1024} KiB")
        return
    text = text.removeprefix("\ufeff")
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield _document(text, file, node)
    except yaml.YAMLError as error:
        yield _broken(file, text, error)


def _document(text: str, file: str, root: Node) -> Document:
    keys: dict[Path, Node] = {}
    values: dict[Path, Node] = {}
    findings: list[Finding] = []
    data = _Reader(keys, values, findings).read(root, ())
    return Document(file, text, data, tuple(findings), keys, values)


def _broken(file: str, text: str, error: yaml.YAMLError) -> Problem:
    if error.args and isinstance(error.args[0], _Stop):
        stop = error.args[0]
        return Problem(file, stop.line, stop.column, stop.message)
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1) + 1
        return Problem(file, before.count("\n") + 1, column, f"not text: U+{_code_point(error.character):04X}")
    if isinstance(error, yaml.MarkedYAMLError):
        what = " ".join(part for part in (error.context, error.problem) if part)
        return Problem(file, *_place(error.problem_mark or error.context_mark), f"not YAML: {what}")
    return Problem(file, 1, 1, f"not YAML: {error}")


def _code_point(character: object) -> int:
    """The reader gives a number for text and a character for bytes."""
    return character if isinstance(character, int) else ord(str(character)[:1])


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Nodes to plain data, noting places and findings on the way."""

    keys: dict[Path, Node]
    values: dict[Path, Node]
    findings: list[Finding]

    def read(self, node: Node, path: Path) -> JsonValue:
        self.values[path] = node
        if node.tag not in _TAGS:
            self.findings.append(Finding(path, f"the tag {node.tag} is not allowed here"))
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else None
            if name is None or not _is_text(name):
                self.findings.append(Finding(path, "holds a field whose name is not text"))
            elif name in mapping:
                first = self.keys[(*path, name)].start_mark.line + 1
                self.keys[(*path, name)] = key
                self.findings.append(
                    Finding((*path, name), f"{name} is there twice (first in line {first})", on_key=True)
                )
            else:
                self.keys[(*path, name)] = key
                mapping[name] = self.read(value, (*path, name))
        return mapping

    def _scalar(self, node: Node, path: Path) -> JsonValue:
        try:
            value = yaml.SafeLoader("").construct_object(node)
        except (ValueError, OverflowError, KeyError, IndexError, yaml.YAMLError):
            self.findings.append(
                Finding(path, f"{str(node.value)[:40]!r} cannot be read as {node.tag.rsplit(':', 1)[-1]}")
            )
            return None
        if isinstance(value, str) and not _is_text(value):
            self.findings.append(Finding(path, "holds characters that are not text"))
            return None
        return value  # type: ignore[no-any-return]  # the tags read here give JSON scalars only


def _is_text(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in value)
