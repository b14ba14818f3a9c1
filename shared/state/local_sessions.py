import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.bus import Bus
from shared.state.local_streams import LocalStreams, Name
from shared.state.sessions import ANSWER_S, Event, Origin, Session, TooManySessions, UnknownStream, stream_topic


@dataclass
class _Question:
    replica: str
    until: float
    answer: bytes | None = None


@dataclass
class _Kept:
    session: Session
    opened: float
    until: float
    uris: set[str] = field(default_factory=set[str])
    questions: dict[str, _Question] = field(default_factory=dict[str, _Question])


class LocalSessions:
    """The twin of `RedisSessions` inside one process: its sessions end with it, and no other process finds them.

    What is past its time is forgotten when somebody looks; nothing runs in the background.

    Args:
        clock: Seconds that never run backwards.
        most: Sessions at once. Beyond it new ones are refused rather than other people's ended.
    """

    def __init__(
        self, bus: Bus, settings: Settings, clock: Callable[[], float] = time.monotonic, most: int = 10_000
    ) -> None:
        self._bus = bus
        self._ttl_s = settings.session_ttl_s
        self._max_age_s = settings.session_max_age_s
        self._clock = clock
        self._most = most
        self._streams = LocalStreams(clock, settings.stream_ttl_s)
        self._kept: dict[tuple[str, str], _Kept] = {}
        """By tenant and handle; the one that was used longest ago first."""

    async def open(self, session: Session, *, most: int, replace: bool) -> Sequence[str]:
        own = [other for other in self._live() if _owner(other) == _owner(session)]
        ended = sorted(own, key=lambda other: other.opened_at)[: max(0, len(own) - most + 1)]
        if ended and not replace:
            raise TooManySessions
        if len(self._kept) - len(ended) >= self._most:
            raise Unavailable("Too many sessions at once; try again in a minute.")
        for other in ended:
            self._forget(other.tenant, other.handle)
        now, age_s = self._clock(), time.time() - session.opened_at
        self._kept[session.tenant, session.handle] = _Kept(session, now - age_s, now + self._ttl_s)
        return [other.handle for other in ended]

    async def find(self, tenant: str, handle: str) -> Session | None:
        kept = self._find(tenant, handle)
        if kept is None:
            return None
        self._kept[tenant, handle] = self._kept.pop((tenant, handle))
        kept.until = self._clock() + self._ttl_s
        return kept.session

    async def end(self, tenant: str, handle: str) -> bool:
        return self._find(tenant, handle) is not None and self._forget(tenant, handle)

    async def listed(self, tenant: str | None = None, subject: str | None = None) -> Sequence[Session]:
        found = [one for one in self._live() if tenant in {None, one.tenant} and subject in {None, one.subject}]
        return sorted(found, key=lambda one: one.opened_at)

    async def subscribe(self, session: Session, uri: str, *, most: int) -> bool:
        kept = self._of(session)
        if kept is None:
            return False
        if uri not in kept.uris and len(kept.uris) >= most:
            return False
        kept.uris.add(uri)
        return True

    async def unsubscribe(self, session: Session, uri: str) -> None:
        kept = self._of(session)
        if kept is not None:
            kept.uris.discard(uri)

    async def subscribed(self, session: Session, uris: Sequence[str]) -> Sequence[str]:
        kept = self._of(session)
        return [uri for uri in uris if uri in kept.uris] if kept is not None else []

    async def ask(self, session: Session, question: str, replica: str, *, ttl_s: float) -> None:
        kept = self._of(session)
        if kept is not None:
            now = self._clock()
            kept.questions = {key: other for key, other in kept.questions.items() if other.until > now}
            kept.questions[question] = _Question(replica, now + ttl_s)

    async def reply(self, session: Session, question: str, answer: bytes) -> str | None:
        asked = self._asked(session, question)
        if asked is None or asked.answer is not None:
            return None
        asked.answer, asked.until = answer, max(asked.until, self._clock() + ANSWER_S)
        return asked.replica

    async def replied(self, session: Session, question: str) -> bytes | None:
        asked = self._asked(session, question)
        if asked is None or asked.answer is None:
            return None
        kept = self._of(session)
        if kept is not None:
            del kept.questions[question]
        return asked.answer

    async def begin(self, session: Session, stream: str, origin: Origin) -> None:
        if self._of(session) is not None:
            self._streams.begin(_name(session, stream), origin)

    async def origin(self, session: Session, stream: str) -> Origin:
        if self._of(session) is None:
            raise UnknownStream
        return self._streams.origin(_name(session, stream))

    async def append(self, session: Session, stream: str, data: bytes, *, last: bool = False) -> str | None:
        if self._of(session) is None:
            return None
        event_id = self._streams.append(_name(session, stream), data, last=last)
        if event_id is not None:
            await self._bus.publish(stream_topic(session, stream), event_id.encode())
        return event_id

    async def read(self, session: Session, stream: str, after: str) -> Sequence[Event]:
        if self._of(session) is None:
            raise UnknownStream
        return self._streams.read(_name(session, stream), after)

    def _of(self, session: Session) -> _Kept | None:
        """What is kept of a session that is not over; its time does not begin anew."""
        return self._find(session.tenant, session.handle)

    def _asked(self, session: Session, question: str) -> _Question | None:
        kept = self._of(session)
        asked = kept.questions.get(question) if kept is not None else None
        return asked if asked is not None and asked.until > self._clock() else None

    def _find(self, tenant: str, handle: str) -> _Kept | None:
        self._sweep()
        kept = self._kept.get((tenant, handle))
        if kept is not None and self._clock() - kept.opened >= self._max_age_s:
            self._forget(tenant, handle)
            return None
        return kept

    def _live(self) -> list[Session]:
        kept = [self._find(tenant, handle) for tenant, handle in list(self._kept)]
        return [one.session for one in kept if one is not None]

    def _sweep(self) -> None:
        """Forget those that nobody used; they are in front."""
        now = self._clock()
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._forget(*next(iter(self._kept)))

    def _forget(self, tenant: str, handle: str) -> bool:
        self._streams.forget(tenant, handle)
        return self._kept.pop((tenant, handle), None) is not None


def _owner(session: Session) -> tuple[str, str, str]:
    return session.tenant, session.issuer, session.subject


def _name(session: Session, stream: str) -> Name:
    return session.tenant, session.handle, stream
