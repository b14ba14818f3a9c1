"""What is kept of a session of the 2025 era, wherever it is kept: `RedisSessions`, or `LocalSessions` in one process.

The id a client holds is kept nowhere: `handle_of` makes of it the name everything is kept under, and that logs and
`mcp-suite sessions` may show. Everything is kept under the tenant too, so that another tenant's handle finds nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from shared.core.errors import SuiteError

MOST_EVENTS = 256
"""Events kept of one stream; older ones go."""

ANSWER_S = 60
"""How long an answer waits for whoever asked, at least."""

_HANDLE_BYTES = 16
_POSITION = re.compile("([1-9][0-9]{0,14})-([0-9]{1,15})")


class TooManySessions(SuiteError):
    """The owner has as many as allowed, and none may be ended for a new one."""


class UnknownStream(SuiteError):
    """There is no such stream of this session, or the event asked for is no longer kept."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session.

    Attributes:
        handle: See `handle_of`.
        tenant: Of the caller who opened it.
        issuer: With `subject` and `client`, whose session it is; nobody else finds it.
        version: The protocol version that was agreed on.
        initialize: The params of `initialize`, as sent: the client's name and what it can do.
        opened_at: Seconds since the epoch.
    """

    handle: str
    tenant: str
    issuer: str
    subject: str
    client: str
    version: str
    initialize: Mapping[str, Any]
    opened_at: float


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: the JSON-RPC message as bytes; empty for the event that only tells an id."""

    id: str
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a stream comes from.

    Attributes:
        replica: Who writes it (`Replicas.id`).
        request_id: The JSON-RPC id whose answer ends it.
    """

    replica: str
    request_id: str | int


def handle_of(server: str, session_id: str) -> str:
    """The name a session of one server is kept under: a digest, so that nobody who reads the store can take it over,
    and no other server finds it.
    """
    return blake2b(f"{server}/{session_id}".encode(), digest_size=_HANDLE_BYTES).hexdigest()


class Sessions(Protocol):
    """Where sessions are kept. Every method raises Unavailable when nobody can tell.

    Of a session that is over nothing is kept any more, whatever still arrives for it: `subscribe` answers False,
    `reply` and `append` None, `origin` and `read` raise UnknownStream, and `ask` and `begin` do nothing.
    """

    async def open(self, session: Session, *, most: int, replace: bool) -> Sequence[str]:
        """Keep a new session; returns the handles of the owner's oldest ones that were ended for it.

        Args:
            session: A new one, under a handle never used before.
            most: Sessions of one owner (issuer and subject; clients share) at once.
            replace: End the oldest for it; else TooManySessions is raised.
        """
        ...

    async def find(self, tenant: str, handle: str) -> Session | None:
        """The session, whose time begins anew; one round trip, the only one of an ordinary request.

        None when it is past its time: `session_ttl_s` after it was last found, `session_max_age_s` after `opened_at`.
        """
        ...

    async def end(self, tenant: str, handle: str) -> bool:
        """Forget it; False if it was not there."""
        ...

    async def listed(self, tenant: str | None = None, subject: str | None = None) -> Sequence[Session]:
        """Sessions, the oldest first, for people who look after them."""
        ...

    async def subscribe(self, session: Session, uri: str, *, most: int) -> bool:
        """Note that the session wants to hear of changes of `uri`; False if it has `most` already."""
        ...

    async def unsubscribe(self, session: Session, uri: str) -> None: ...

    async def subscribed(self, session: Session, uris: Sequence[str]) -> Sequence[str]:
        """Those of `uris` that the session is subscribed to, in order."""
        ...

    async def ask(self, session: Session, question: str, replica: str, *, ttl_s: float) -> None:
        """Note that `replica` waits for the client's answer to the request with the id `question`."""
        ...

    async def reply(self, session: Session, question: str, answer: bytes) -> str | None:
        """Keep the client's answer, once, if it was asked for; returns the replica that waits for it."""
        ...

    async def replied(self, session: Session, question: str) -> bytes | None:
        """The answer, taken away, if it is there."""
        ...

    async def begin(self, session: Session, stream: str, origin: Origin) -> None:
        """Note where a new stream comes from, kept as long as its events: `stream_ttl_s` after the last of them, and
        longer while somebody reads a stream that is not over.
        """
        ...

    async def origin(self, session: Session, stream: str) -> Origin:
        """Where it comes from.

        Raises:
            UnknownStream: None such of this session.
        """
        ...

    async def append(self, session: Session, stream: str, data: bytes, *, last: bool = False) -> str | None:
        """Keep one more event of a stream; returns its id. After the last one nothing is kept: None.

        Whoever follows the stream (`stream_topic`) is told over the bus.
        """
        ...

    async def read(self, session: Session, stream: str, after: str) -> Sequence[Event]:
        """The events after the one with the id `after`; after `0` all of them.

        Raises:
            UnknownStream: None such of this session, or those events are no longer kept.
        """
        ...


def stream_topic(session: Session, stream: str) -> str:
    """The bus topic that tells of new events of a stream."""
    return f"stream:{session.handle}:{stream}"


def position_of(event_id: str) -> tuple[int, int]:
    """Which run of a stream an event is of, and its number there, from 1; `0` is the beginning of any run.

    A stream that was forgotten and is written again is a new run, whose ids never pass for those of the old one.

    Raises:
        UnknownStream: No id of ours.
    """
    if event_id == "0":
        return 0, 0
    found = _POSITION.fullmatch(event_id)
    if found is None:
        raise UnknownStream
    return int(found[1]), int(found[2])
