import time
from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_hex
from urllib.parse import unquote

import orjson
from redis.asyncio import Redis

from shared.core.settings import Settings
from shared.state import session_scripts as scripts
from shared.state.keys import CannotOpen, KeyRing
from shared.state.redis_calls import RedisCalls, key_of
from shared.state.redis_streams import RedisStreams
from shared.state.sessions import ANSWER_S, Event, Origin, Session, TooManySessions

_DIGEST_BYTES = 16
_SCANNED = 500
_LISTED_MOST = 10_000


class RedisSessions:
    """Sessions that every replica finds.

    What people said or are called is sealed, each value bound to its key. Keys name the tenant, digests and random
    ids. Losing the server ends all sessions; clients begin new ones.
    """

    def __init__(self, redis: Redis, settings: Settings, ring: KeyRing) -> None:
        self._calls = RedisCalls(redis, settings, "Sessions")
        self._ring = ring
        self._ttl_s = settings.session_ttl_s
        self._max_age_s = settings.session_max_age_s
        self._streams = RedisStreams(self._calls, ring, settings.stream_ttl_s)

    async def open(self, session: Session, *, most: int, replace: bool) -> Sequence[str]:
        tenant, handle = session.tenant, session.handle
        key = key_of(tenant, "session", handle)
        keys = [key, key_of(tenant, "sessions-of", _owner(session)), key_of(tenant, "ended-for", handle)]
        record = (self._seal(session, key), handle, session.opened_at)
        times = (time.time() - self._max_age_s, self._ttl_s, self._max_age_s)
        begins = (key_of(tenant, "session", ""), key_of(tenant, "session-uris", ""))
        answer = await self._calls.script(scripts.OPEN, keys, *record, *times, most, int(replace), *begins)
        if not answer:
            raise TooManySessions
        return [ended.decode() for ended in answer[1:]]

    async def find(self, tenant: str, handle: str) -> Session | None:
        key = key_of(tenant, "session", handle)
        session = self._session(key, await self._calls.command("GETEX", key, "EX", self._ttl_s))
        if session is not None and self._is_too_old(session):
            await self.end(tenant, handle)
            return None
        return session

    async def end(self, tenant: str, handle: str) -> bool:
        keys = [key_of(tenant, kind, handle) for kind in ("session", "session-uris", "session-ended")]
        return bool(await self._calls.script(scripts.END, keys, token_hex(8)))

    async def listed(self, tenant: str | None = None, subject: str | None = None) -> Sequence[Session]:
        """At most 10,000 of them; the server is asked piece by piece, so that it goes on answering others."""
        pattern = "suite:{*}:session:*" if tenant is None else key_of(tenant, "session", "*")
        found: dict[str, Session] = {}
        cursor: int | bytes = 0
        while len(found) < _LISTED_MOST:
            cursor, keys = await self._calls.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)
            records = await self._calls.command("MGET", *keys) if keys else ()
            for key, record in zip(keys, records, strict=True):
                session = self._session(key.decode(), record)
                if session is not None and not self._is_too_old(session) and subject in {None, session.subject}:
                    found[session.handle] = session
            if int(cursor) == 0:
                break
        return sorted(found.values(), key=lambda one: one.opened_at)

    async def subscribe(self, session: Session, uri: str, *, most: int) -> bool:
        return bool(
            await self._calls.script(scripts.SUBSCRIBE, _uris(session), _digest(uri.encode()), most, self._max_age_s)
        )

    async def unsubscribe(self, session: Session, uri: str) -> None:
        await self._calls.command("SREM", _uris(session)[1], _digest(uri.encode()))

    async def subscribed(self, session: Session, uris: Sequence[str]) -> Sequence[str]:
        if not uris:
            return []
        answer = await self._calls.script(scripts.SUBSCRIBED, _uris(session), *(_digest(uri.encode()) for uri in uris))
        return [uri for uri, is_member in zip(uris, answer or (), strict=False) if is_member]

    async def ask(self, session: Session, question: str, replica: str, *, ttl_s: float) -> None:
        await self._calls.script(scripts.ASK, _question(session, question), replica, int(ttl_s * 1000))

    async def reply(self, session: Session, question: str, answer: bytes) -> str | None:
        keys = _question(session, question)
        sealed = self._ring.seal(answer, keys[1].encode())
        replica = await self._calls.script(scripts.REPLY, keys, token_hex(8), sealed, ANSWER_S * 1000)
        return replica.decode() if replica else None

    async def replied(self, session: Session, question: str) -> bytes | None:
        keys = _question(session, question)
        sealed = await self._calls.script(scripts.REPLIED, keys, token_hex(8))
        return self._open(sealed, keys[1])

    async def begin(self, session: Session, stream: str, origin: Origin) -> None:
        await self._streams.begin(session, stream, origin)

    async def origin(self, session: Session, stream: str) -> Origin:
        return await self._streams.origin(session, stream)

    async def append(self, session: Session, stream: str, data: bytes, *, last: bool = False) -> str | None:
        return await self._streams.append(session, stream, data, last=last)

    async def read(self, session: Session, stream: str, after: str) -> Sequence[Event]:
        return await self._streams.read(session, stream, after)

    def _seal(self, session: Session, key: str) -> bytes:
        who = [session.issuer, session.subject, session.client]
        record = orjson.dumps([*who, session.version, session.initialize, session.opened_at])
        return self._ring.seal(record, key.encode())

    def _session(self, key: str, sealed: bytes | None) -> Session | None:
        """The session of a record; None if there is none, or its key left the ring."""
        record = self._open(sealed, key)
        if record is None:
            return None
        tag, _, handle = key.partition(":session:")
        return Session(handle, unquote(tag[len("suite:{") : -1]), *orjson.loads(record))

    def _is_too_old(self, session: Session) -> bool:
        return time.time() - session.opened_at >= self._max_age_s

    def _open(self, sealed: bytes | None, key: str) -> bytes | None:
        try:
            return self._ring.open(sealed, key.encode()) if sealed else None
        except CannotOpen:
            return None


def _owner(session: Session) -> str:
    """Whose it is, without saying so: a subject is often an address. One person's clients share."""
    return _digest(orjson.dumps([session.issuer, session.subject]))


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=_DIGEST_BYTES).hexdigest()


def _uris(session: Session) -> list[str]:
    return [key_of(session.tenant, kind, session.handle) for kind in ("session", "session-uris")]


def _question(session: Session, question: str) -> list[str]:
    tenant, handle = session.tenant, session.handle
    return [key_of(tenant, "session", handle), key_of(tenant, "question", handle, question)]
