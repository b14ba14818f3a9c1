"""One request to an upstream, as it is meant and as it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

import httpx
import orjson

from shared.core.upstreams import Path, Query
from shared.edge.outbound.failures import Refuse

__all__ = ["Message"]

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "mcp-suite"}
"""Uncompressed, because a small body could unpack to any size."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request, but for who asks.

    Attributes:
        changes: Whether it changes something there: then it is sent once.
        headers: Beside ours.
        refuse: What a refusal means to the caller, where its status does not say it.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: Path
    query: Query = field(default_factory=dict[str, str | int])
    body: Mapping[str, object] | None = None
    changes: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    refuse: Refuse | None = None

    @property
    def operation(self) -> str:
        """What it counts as."""
        return "write" if self.changes else "read"

    def request(self, http: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> httpx.Request:
        """As it is sent to the upstream at `url`; `headers` say who asks."""
        content = None if self.body is None else orjson.dumps(self.body)
        kind = {} if content is None else {"Content-Type": "application/json"}
        whole = "/".join((url.rstrip("/"), *map(_segment, self.path)))
        sent = {**_HEADERS, **kind, **self.headers, **headers}
        return http.build_request(self.method, whole, params=dict(self.query) or None, content=content, headers=sent)


def _segment(part: str) -> str:
    """A segment of a path, whatever is in it."""
    if part in {"", ".", ".."}:
        raise ValueError("no segment of a path")
    return quote(part, safe="")
