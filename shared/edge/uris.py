from collections.abc import Mapping
from typing import Any

from mcp.shared.uri_template import UriTemplate

from shared.core.tool import Resource, Tool


class Uris:
    """The URIs of one server's resources, by their templates (RFC 6570)."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._templates = [(UriTemplate.parse(template), resource) for template, resource in resources.items()]

    def match(self, uri: str) -> tuple[Resource | None, dict[str, Any]]:
        """The resource a URI names, and the arguments it holds; None for what is no URI of ours."""
        _, resource, arguments = self._find(uri)
        return resource, arguments

    def watchable(self, uri: str) -> tuple[Tool | None, dict[str, Any]]:
        """The read behind a URI that can be subscribed to, and its arguments.

        A URI spelt otherwise than we spell it (`%2D` for `-`) is none: no change is told under that name.
        """
        template, resource, arguments = self._find(uri)
        if template is None or resource is None or not resource.watchable or template.expand(arguments) != uri:
            return None, arguments
        return resource.tool, arguments

    def _find(self, uri: str) -> tuple[UriTemplate | None, Resource | None, dict[str, Any]]:
        if not uri.isprintable() or " " in uri:  # RFC 3986 §2; arguments lose their blanks, a URI is not repaired
            return None, None, {}
        for template, resource in self._templates:
            found = template.match(uri)
            if found is not None:
                return template, resource, dict(found)
        return None, None, {}
