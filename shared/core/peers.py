"""Our own other servers as tools see them: asked over MCP, in the caller's name, with a token made for that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from shared.core.delegation import OnBehalf
from shared.core.labels import Label

__all__ = ["Asking", "Peer", "PeerContents", "Peers"]

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class PeerContents:
    """The whole of a resource of another server, as its caller may read it.

    Attributes:
        text: Of what is text; then `blob` is None.
        blob: The bytes of what is none.
        facts: What the other server tells of it, in its words: title, version, digest, classification.
        labels: What is in it, for the policy (docs/information-flow.md); they are the call's labels already.
    """

    uri: str
    mime_type: str | None
    text: str | None = None
    blob: bytes | None = field(default=None, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    labels: frozenset[Label] = frozenset()

    @property
    def data(self) -> bytes:
        """The bytes of it, text in UTF-8."""
        return self.blob if self.blob is not None else (self.text or "").encode()


class Peer(Protocol):
    """Another server, asked in the caller's name.

    Only to read: what is changed there stays changed where this call fails. Questions are repeated where that may
    help. The token is for those scopes of the other server that the tool declares, among `scopes` or `elsewhere`, and
    that the caller's token has; for the first of them if it has none, which is refused then.

    All methods raise:
        CannotDelegate: There is no token to act with (stdio, approved calls), or it is not set up.
        Forbidden: The caller's token lacks a scope, which is named; clients ask people for it.
        StepUp: The other server wants a fresher or stronger sign-in.
        Denied: The other server does not let the caller, whatever is asked for.
        NotFound, Invalid, Conflict, RateLimited: As the other server says.
        Unavailable: It does not answer, or not as it should.
    """

    async def call(self, tool: str, arguments: Mapping[str, Any], answer: type[ModelT]) -> ModelT:
        """The answer of a tool, as a model of ours: what does not fit it is no answer."""
        ...

    async def read(self, uri: str) -> PeerContents:
        """A resource, read to its end.

        Raises:
            Invalid: It is larger than what is taken.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asking:
    """For which call another server is asked.

    Attributes:
        scopes: What the tool declares, of all servers.
        labels: Those of the call; what is in an answer is added.
        request_id: The reference of the call.
    """

    on_behalf: OnBehalf = field(repr=False)
    scopes: tuple[str, ...]
    labels: set[Label]
    request_id: str


class Peers(Protocol):
    """What a server may ask."""

    def of(self, asking: Asking) -> Callable[[str], Peer]:
        """By name, the other servers, for one call."""
        ...
