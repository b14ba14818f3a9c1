"""As much of YAML 1.2 as compose.yaml uses; whatever else is there is an error, so that nothing is read wrongly.

Block mappings and lists, flow ones on one line, anchors on mappings, `<<`, literal text, plain and quoted scalars.
Comments stand on lines of their own.
"""

import re
from dataclasses import dataclass, field
from typing import Any

_PAIR = re.compile(r"(?P<key>[A-Za-z_<][\w<-]*):(?: (?P<value>.*))?")
_FLOW = re.compile(r"\s*(?:(?P<mark>[\[\]{},:])|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<plain>[^\[\]{},:\"']+))")
_NUMBER = re.compile(r"-?\d+")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


class NotUnderstood(Exception):
    """The line is YAML, perhaps, but not of the kind read here."""


@dataclass
class _Reader:
    lines: list[str]
    at: int = 0
    anchors: dict[str, Any] = field(default_factory=dict[str, Any])

    def block(self, indent: int) -> Any:
        self._skip()
        first = self.lines[self.at][indent:]
        return self._list(indent) if first.startswith("- ") else self._mapping(indent)

    def _skip(self) -> None:
        while self.at < len(self.lines) and re.fullmatch(r"\s*(#.*)?", self.lines[self.at]):
            self.at += 1

    def _indent(self) -> int:
        self._skip()
        return len(self.lines[self.at]) - len(self.lines[self.at].lstrip()) if self.at < len(self.lines) else -1

    def _list(self, indent: int) -> list[Any]:
        found: list[Any] = []
        while self._indent() == indent:
            line = self.lines[self.at][indent:]
            if not line.startswith("- "):
                raise NotUnderstood(line)
            self.at += 1
            found.append(self._value(line[2:], indent))
        return found

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while self._indent() == indent:
            line = self.lines[self.at][indent:]
            pair = _PAIR.fullmatch(line)
            if pair is None or pair["key"] in found:
                raise NotUnderstood(line)
            self.at += 1
            value = self._value(pair["value"] or "", indent)
            if pair["key"] == "<<":
                merged += value if isinstance(value, list) else [value]
            else:
                found[pair["key"]] = value
        for one in merged:
            found = {**one, **found}
        if self._indent() > indent:
            raise NotUnderstood(self.lines[self.at])
        return found

    def _value(self, text: str, indent: int) -> Any:
        if text == "|":
            return self._literal(indent)
        if text == "" or text.startswith("&"):
            inner = self.block(self._deeper(indent))
            if text:
                self.anchors[text[1:]] = inner
            return inner
        if text.startswith("*"):
            return self.anchors[text[1:]]
        if text[0] in "[{":
            return flow(text)
        return _scalar(text)

    def _deeper(self, indent: int) -> int:
        found = self._indent()
        if found <= indent:
            raise NotUnderstood(self.lines[self.at - 1])
        return found

    def _literal(self, indent: int) -> str:
        inner = self._deeper(indent)
        text: list[str] = []
        while self.at < len(self.lines) and (self.lines[self.at][:inner].isspace() or not self.lines[self.at]):
            text.append(self.lines[self.at][inner:])
            self.at += 1
        return "\n".join(text).rstrip("\n") + "\n"


def read(text: str) -> Any:
    """What the document says.

    Raises:
        NotUnderstood: With the line.
    """
    reader = _Reader(text.splitlines())
    found = reader.block(0)
    if reader.at < len(reader.lines):
        raise NotUnderstood(reader.lines[reader.at])
    return found


def flow(text: str) -> Any:
    """A list or a mapping on one line."""
    marks = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in _FLOW.finditer(text)]
    found, rest = _flow(marks)
    if rest:
        raise NotUnderstood(text)
    return found


def _flow(marks: list[tuple[str, str]]) -> tuple[Any, list[tuple[str, str]]]:
    (kind, text), *rest = marks
    if (kind, text) not in {("mark", "["), ("mark", "{")}:
        return (_scalar(text.strip()) if kind == "plain" else text), rest
    listed: list[Any] = []
    mapped: dict[str, Any] = {}
    closing = {"[": "]", "{": "}"}[text]
    while rest[0] != ("mark", closing):
        value, rest = _flow(rest)
        if rest[0] == ("mark", ":"):
            mapped[str(value)], rest = _flow(rest[1:])
        else:
            listed.append(value)
        if rest[0] == ("mark", ","):
            rest = rest[1:]
    return (mapped if text == "{" else listed), rest[1:]


def _scalar(text: str) -> Any:
    for quote in "\"'":
        if text.startswith(quote):
            if not text.endswith(quote) or quote in text[1:-1] or "\\" in text:
                raise NotUnderstood(text)
            return text[1:-1]
    if " #" in text or text[0] in "&*|>%@`!?,]}#":
        raise NotUnderstood(text)
    return int(text) if _NUMBER.fullmatch(text) else _WORDS.get(text, text)
