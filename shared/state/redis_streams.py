from collections.abc import Sequence
from secrets import token_hex

import orjson

from shared.state.keys import CannotOpen, KeyRing
from shared.state.redis_bus import channel_of
from shared.state.redis_calls import RedisCalls, Script, key_of
from shared.state.sessions import MOST_EVENTS, Event, Origin, Session, UnknownStream, position_of, stream_topic

# KEYS of all: the session, what is known of the stream (origin, run, said, last, recent), its events.

_BEGIN = Script("""
-- ARGV: the origin, seconds to keep
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local clock = redis.call('TIME')
redis.call('HSETNX', KEYS[2], 'run', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
redis.call('HSET', KEYS[2], 'origin', ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[2])
""")

_ORIGIN = Script("""
return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[2], 'origin')
""")

_APPEND = Script("""
-- ARGV: token, data, 1 for the last, seconds to keep, events to keep, channel. Answers the event's id, or nothing.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local run, said, last, recent = unpack(redis.call('HMGET', KEYS[2], 'run', 'said', 'last', 'recent'))
recent = recent or ''
local before = string.match(recent, ARGV[1] .. ':(%d+)')
if before then return run .. '-' .. before end  -- the client asks again after a lost connection
if last then return false end
if not run then
  local clock = redis.call('TIME')
  run = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
end
said = string.format('%.0f', (said or 0) + 1)
local id = run .. '-' .. said
redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[5], id, 'data', ARGV[2])
recent = string.sub(recent .. ' ' .. ARGV[1] .. ':' .. said, -512)
redis.call('HSET', KEYS[2], 'run', run, 'said', said, 'recent', recent)
if ARGV[3] == '1' then redis.call('HSET', KEYS[2], 'last', said) end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('PUBLISH', ARGV[6], id)
return id
""")

_READ = Script("""
-- ARGV: run and number to read after, seconds to keep. Answers {number of the last or '', events}, or nothing.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local run, said, last = unpack(redis.call('HMGET', KEYS[2], 'run', 'said', 'last'))
if not run or (ARGV[1] ~= '0' and ARGV[1] ~= run) then return false end
if not last then
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  redis.call('EXPIRE', KEYS[3], ARGV[3])
end
local events = redis.call('XRANGE', KEYS[3], '(' .. run .. '-' .. ARGV[2], '+')
if #events ~= (said or 0) - ARGV[2] then return false end  -- some were trimmed, or the number is none of ours
return {last or '', events}
""")


class RedisStreams:
    """Streams of events of sessions, sealed, each bound to its stream."""

    def __init__(self, calls: RedisCalls, ring: KeyRing, ttl_s: int) -> None:
        self._calls = calls
        self._ring = ring
        self._ttl_s = ttl_s

    async def begin(self, session: Session, stream: str, origin: Origin) -> None:
        keys = _keys(session, stream)
        sealed = self._ring.seal(orjson.dumps([origin.replica, origin.request_id]), keys[1].encode())
        await self._calls.script(_BEGIN, keys, sealed, self._ttl_s)

    async def origin(self, session: Session, stream: str) -> Origin:
        keys = _keys(session, stream)
        sealed = await self._calls.script(_ORIGIN, keys)
        if not sealed:
            raise UnknownStream
        return Origin(*orjson.loads(self._open(sealed, keys[1])))

    async def append(self, session: Session, stream: str, data: bytes, *, last: bool) -> str | None:
        keys = _keys(session, stream)
        sealed, channel = self._ring.seal(data, keys[2].encode()), channel_of(stream_topic(session, stream))
        told = (token_hex(8), sealed, int(last), self._ttl_s, MOST_EVENTS, channel)
        event_id = await self._calls.script(_APPEND, keys, *told)
        return event_id.decode() if event_id else None

    async def read(self, session: Session, stream: str, after: str) -> Sequence[Event]:
        keys = _keys(session, stream)
        run, number = position_of(after)
        found = await self._calls.script(_READ, keys, run, number, self._ttl_s)
        if not found:
            raise UnknownStream
        last, events = found
        return [self._event(event_id, fields, last, keys[2]) for event_id, fields in events]

    def _event(self, event_id: bytes, fields: Sequence[bytes], last: bytes, key: str) -> Event:
        _, number = event_id.split(b"-")
        return Event(event_id.decode(), self._open(fields[1], key), number == last)

    def _open(self, sealed: bytes, key: str) -> bytes:
        """The plain bytes; what was sealed under a key that is gone cannot be gone on with."""
        try:
            return self._ring.open(sealed, key.encode())
        except CannotOpen:
            raise UnknownStream from None


def _keys(session: Session, stream: str) -> list[str]:
    tenant, handle = session.tenant, session.handle
    whose = key_of(tenant, "session", handle)
    return [whose, key_of(tenant, "stream", handle, stream), key_of(tenant, "events", handle, stream)]
