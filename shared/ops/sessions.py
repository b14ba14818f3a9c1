"""`mcp-suite sessions`: see and end sessions of the 2025 era, and with them what a person has open anywhere."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import orjson
import typer

from shared.core.errors import Misconfigured, NotFound
from shared.core.settings import Settings
from shared.ops.operator import operator
from shared.ops.running import complete, read_settings
from shared.state.bus import Bus
from shared.state.keys import Keys, load_keys
from shared.state.lending import session_url
from shared.state.services import open_services
from shared.state.sessions import Session, Sessions
from shared.steps.audit.entry import Sink, now
from shared.steps.audit.writer import open_writer

app = typer.Typer(no_args_is_help=True, help="See and end sessions of the 2025 era; they are kept in Redis.")

Tenant = Annotated[str | None, typer.Option(help="Of this tenant.")]
Subject = Annotated[str | None, typer.Option(help="Of this person.")]


@app.command("list")
def sessions_list(tenant: Tenant = None, subject: Subject = None) -> None:
    """Print sessions as JSON lines, the oldest first."""

    async def run(settings: Settings, keys: Keys) -> None:
        async with _open_redis(settings, keys) as (sessions, _):
            for session in await sessions.listed(tenant, subject):
                typer.echo(orjson.dumps(_shown(session)).decode())

    _with_redis(run)


@app.command("end")
def sessions_end(
    handle: Annotated[str | None, typer.Argument(help="The session, as `list` names it.")] = None,
    tenant: Tenant = None,
    subject: Subject = None,
) -> None:
    """End one session; or all of a person (--subject with --tenant), and every stream they have open."""
    person = _person(handle, tenant, subject)

    async def run(settings: Settings, keys: Keys) -> None:
        async with AsyncExitStack() as stack:
            sessions, bus = await stack.enter_async_context(_open_redis(settings, keys))
            urls = await stack.enter_async_context(open_services(settings))
            sink = await stack.enter_async_context(open_writer(session_url(settings, urls.app), keys.audit, settings))
            ending = _Ending(sessions, bus, sink)
            if person is None:
                await ending.end([one for one in await sessions.listed() if one.handle == handle])
            else:
                await ending.end_all_of(*person)

    _with_redis(run)


@dataclass(frozen=True)
class _Ending:
    """Each end is recorded before it happens: what cannot be recorded is not done."""

    sessions: Sessions
    bus: Bus
    sink: Sink

    async def end(self, found: Sequence[Session]) -> None:
        if not found:
            raise NotFound("There is no such session; `mcp-suite sessions list` names those there are.")
        for session in found:
            await self._end(session)

    async def end_all_of(self, tenant: str, subject: str) -> None:
        """Their sessions, and their open streams, which need none in the 2026 era."""
        await self._record("revoke", {"tenant": tenant, "subject": subject})
        for session in await self.sessions.listed(tenant, subject):
            await self._end(session)
        revoked = {"tenant": tenant, "subject": subject}
        await self.bus.publish("callers", orjson.dumps({"revoked": revoked}))
        typer.echo(f"All open streams of {subject} of {tenant} were told to end.")

    async def _end(self, session: Session) -> None:
        who = {name: getattr(session, name) for name in ("tenant", "subject", "issuer", "client")}
        await self._record("end", {**who, "session": session.handle})
        await self.sessions.end(session.tenant, session.handle)
        await self.bus.publish("sessions", orjson.dumps({"ended": session.handle}))
        typer.echo(f"Ended {session.handle}.")

    async def _record(self, what: str, facts: dict[str, Any]) -> None:
        by = {"kind": "session", "server": "suite", "actor": operator(), "agent": "mcp-suite sessions"}
        about = {"target_kind": "session", "target": what, "outcome": "ok"}
        await self.sink.write({"v": 1, "id": str(uuid4()), "at": now(), **by, **about, **facts})


def _person(handle: str | None, tenant: str | None, subject: str | None) -> tuple[str, str] | None:
    """The tenant and subject whose sessions to end, or None for the one session that was named."""
    if handle is not None and tenant is None and subject is None:
        return None
    if handle is None and tenant is not None and subject is not None:
        return tenant, subject
    raise Misconfigured("name one session (`sessions end HANDLE`), or a person with --subject and --tenant")


def _shown(session: Session) -> dict[str, Any]:
    """Enough to tell sessions apart, and no more: not what a client says of itself."""
    names = ("handle", "tenant", "subject", "client", "version")
    opened_at = datetime.fromtimestamp(session.opened_at, UTC).isoformat(timespec="seconds")
    return {**{name: getattr(session, name) for name in names}, "opened_at": opened_at}


def _with_redis(work: Callable[[Settings, Keys], Coroutine[Any, Any, None]]) -> None:
    settings = read_settings()
    if settings.redis_url is None:
        raise Misconfigured(
            "SUITE_REDIS_URL is needed: without it each process keeps its sessions to itself, and they end with it"
        )
    complete(lambda: work(settings, load_keys(settings)))


@asynccontextmanager
async def _open_redis(settings: Settings, keys: Keys) -> AsyncGenerator[tuple[Sessions, Bus]]:
    """Sessions, and a bus that is only spoken on."""
    from shared.state.redis import open_redis  # noqa: PLC0415 - 0.1 s that every other command would wait
    from shared.state.redis_bus import RedisBus  # noqa: PLC0415 - as above
    from shared.state.redis_sessions import RedisSessions  # noqa: PLC0415 - as above

    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    async with open_redis(url, settings) as redis:
        yield RedisSessions(redis, settings, keys.sessions), RedisBus(redis, settings)
