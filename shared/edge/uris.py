"""Which resource a URI names. What can be read has one URI, and nothing else is a name for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import is_normalized

from mcp.shared.uri_template import UriTemplate, Variable

from shared.core.tool import Resource, Tool
from shared.edge.reading import unseen

_LONGEST = 8192
"""Characters of a URI: those that every HTTP recipient should take at least (RFC 9110 §4.1)."""

_PATHS = {"+", "#"}
_QUERIES = {"?", "&"}
_DOTS = {".", ".."}


@dataclass(frozen=True, slots=True)
class _Known:
    template: UriTemplate
    variables: Mapping[str, Variable]
    resource: Resource


class Uris:
    """The URIs of one server's resources, by their templates (RFC 6570).

    A URI fits a template if it is what the template expands to with the values it holds, to the letter: reserved
    characters are encoded in `{name}` and are not in `{+path}`, hexadecimal digits are capitals, and parameters come
    once and in the template's order. No value is empty, begins or ends with a blank, or holds what is not printed, a
    backslash, or text that is not NFC; only `{+path}` and parameters hold a slash, and no segment is `.`, `..` or,
    but for the last, empty. So a check made on one spelling holds for the resource.

    Of several templates that fit, the one declared first is meant.
    """

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        parsed = [(UriTemplate.parse(template), resource) for template, resource in resources.items()]
        self._known = [
            _Known(template, {variable.name: variable for variable in template.variables}, resource)
            for template, resource in parsed
        ]

    def match(self, uri: str) -> tuple[Resource | None, dict[str, Any]]:
        """The resource a URI names, and the arguments it holds; None for what is no URI of ours."""
        if len(uri) > _LONGEST or not _is_straight(uri):
            return None, {}
        for known in self._known:
            found = known.template.match(uri)
            if found is not None and _are_plain(known, found) and known.template.expand(found) == uri:
                return known.resource, dict(found)
        return None, {}

    def watchable(self, uri: str) -> tuple[Tool | None, dict[str, Any]]:
        """The read behind a URI that can be subscribed to, and the arguments to look whether it is there.

        One with parameters is none: a version or a section does not change, and no change is told under its name.
        """
        resource, arguments = self.match(uri)
        if resource is None or not resource.watchable or "?" in uri:
            return None, arguments
        return resource.tool, unseen(resource.tool, arguments)


def _is_straight(uri: str) -> bool:
    """Whether its path leads nowhere else once dot segments are taken out (RFC 3986 §5.2.4) or slashes are merged."""
    path = uri.partition("?")[0]
    authority, *segments = (path.partition("://")[2] or path).split("/")
    return authority not in _DOTS and _DOTS.isdisjoint(segments) and "" not in segments[:-1]


def _are_plain(known: _Known, found: Mapping[str, Any]) -> bool:
    return all(
        _is_plain(value, slashes=known.variables[name].operator in _PATHS | _QUERIES)
        for name, values in found.items()
        for value in _each(values)
    )


def _each(values: str | list[str]) -> Iterator[str]:
    """The values of one variable; `{/path*}` has several."""
    yield from [values] if isinstance(values, str) else values


def _is_plain(value: str, *, slashes: bool) -> bool:
    """Whether a value is what it looks like, and stays it: arguments lose the blanks around them."""
    return (
        value != ""
        and value.isprintable()
        and value == value.strip()
        and "\\" not in value
        and (slashes or "/" not in value)
        and is_normalized("NFC", value)
    )
