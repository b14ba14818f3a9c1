import asyncio
from collections.abc import Sequence
from hashlib import sha1
from typing import Any
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from shared.core.backend import RoundTrip
from shared.core.errors import Unavailable
from shared.core.settings import Settings

Argument = bytes | str | int | float


class Script:
    """A Lua script: done as a whole or not at all, in one round trip."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisCalls:
    """Commands and scripts over the shared client, each one round trip, timed, and bounded by `redis_timeout_s`.

    The client repeats a command once when its connection was lost, which may be after it was done. What must not be
    done twice therefore carries a token, by which its script knows it again.

    Args:
        what: What cannot be had when Redis does not answer; begins the sentence the caller is told.
    """

    def __init__(self, redis: Redis, settings: Settings, what: str) -> None:
        self._execute: Any = redis.execute_command  # pyright: ignore[reportUnknownMemberType]
        self._timeout_s = settings.redis_timeout_s
        self._what = what

    async def command(self, name: str, *arguments: Argument) -> Any:
        """The answer to one command.

        Raises:
            Unavailable: None came; whether it was done is not known.
        """
        try:
            with RoundTrip("redis", name, {"db.system.name": "redis", "db.operation.name": name}):
                async with asyncio.timeout(self._timeout_s):
                    return await self._execute(name, *arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise self._unavailable() from error

    async def script(self, script: Script, keys: Sequence[str], *arguments: Argument) -> Any:
        """What a script answers; its keys are all in one slot of a cluster.

        Raises:
            Unavailable: As `command`.
        """
        try:
            with RoundTrip("redis", "EVALSHA", {"db.system.name": "redis", "db.operation.name": "EVALSHA"}):
                async with asyncio.timeout(self._timeout_s):
                    return await self._run(script, len(keys), *keys, *arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise self._unavailable() from error

    async def _run(self, script: Script, *arguments: Argument) -> Any:
        try:
            return await self._execute("EVALSHA", script.sha, *arguments)
        except NoScriptError:  # the server restarted, failed over or was flushed; EVAL also keeps the script
            return await self._execute("EVAL", script.text, *arguments)

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"{self._what} cannot be reached right now; retry in a moment.")


def key_of(tenant: str, *parts: str) -> str:
    """A key of the tenant; all of a tenant's are in one slot of a cluster, by the hash tag in braces."""
    return ":".join([f"suite:{{{quote(tenant, safe='')}}}", *parts])
