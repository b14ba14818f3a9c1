"""`mcp-suite stop`, `stops` and `resume`: switch a tool, server, client, user, tenant, token or login off, and on."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import orjson
import typer

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.operator import operator
from shared.ops.running import complete, parse_settings, read_settings
from shared.ops.stop_words import server_named, target_named, token_given
from shared.state.bus import Bus
from shared.state.database import connect
from shared.state.keys import load_keys
from shared.state.lending import session_url
from shared.state.roles import Urls
from shared.state.services import open_services
from shared.state.switch_table import load
from shared.state.switches import Switch
from shared.steps.audit.writer import open_writer
from shared.steps.stopping import Stopping, What
from shared.steps.stopping_words import described, one_line, reason_of, seconds

app = typer.Typer(no_args_is_help=True, help="Switch something off, everywhere, within a second.")

_THERE = """
SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE n.nspname = 'suite' AND c.relname = 'switches')
"""
_MAY = """
SELECT has_any_column_privilege('suite.switches', 'INSERT') AND has_table_privilege('suite.switches', 'DELETE')
"""
_HEARD_OF = """
SELECT EXISTS (SELECT FROM suite.audit WHERE tenant = $1 AND ($2::text IS NULL OR subject = $2) AND kind <> 'switch')
"""

Reason = Annotated[str, typer.Option(help="Why: told to whoever is stopped, and kept in the audit.")]
For = Annotated[str | None, typer.Option("--for", help="Ends by itself after this time: 90s, 30m, 2h, 7d.")]
OnlyTenant = Annotated[str | None, typer.Option(help="For this tenant alone.")]
Issuer = Annotated[str | None, typer.Option(help="As this issuer alone vouches for; else whoever does.")]
Unlisted = Annotated[bool, typer.Option("--unlisted", help="Even if it is not known here; other versions may have it.")]


@app.command("tool")
def stop_tool(
    name: Annotated[str, typer.Argument(help="SERVER.NAME of a tool, a prompt, or the read of a resource.")],
    reason: Reason,
    tenant: OnlyTenant = None,
    lasts: For = None,
    unlisted: Unlisted = False,
) -> None:
    """Hide a tool, resource template or prompt: it is missing from lists, and calls find nothing of that name."""
    server, target = target_named(name, unlisted=unlisted)
    _stop(What("tool", server=server, name=target, tenant=_given(tenant, "--tenant")), reason, seconds(lasts))


@app.command("server")
def stop_server(
    name: Annotated[str, typer.Argument(help="One of the folders under servers/.")],
    reason: Reason,
    tenant: OnlyTenant = None,
    lasts: For = None,
    unlisted: Unlisted = False,
) -> None:
    """Hide everything of a server."""
    server = server_named(name, unlisted=unlisted)
    _stop(What("server", server=server, tenant=_given(tenant, "--tenant")), reason, seconds(lasts))


@app.command("client")
def stop_client(
    client_id: Annotated[str, typer.Argument(help="`client_id`, as the audit names it.")],
    reason: Reason,
    tenant: OnlyTenant = None,
    issuer: Issuer = None,
    lasts: For = None,
) -> None:
    """Refuse a program, whoever uses it, also where it acts for others; end its sessions and streams."""
    name = one_line(client_id, "the client")
    what = What("client", name=name, tenant=_given(tenant, "--tenant"), issuer=_given(issuer, "--issuer"))
    _stop(what, reason, seconds(lasts))


@app.command("user")
def stop_user(
    subject: Annotated[str, typer.Argument(help="`sub`, as the audit names it.")],
    tenant: Annotated[str, typer.Option(help="Whose user it is.")],
    reason: Reason,
    issuer: Issuer = None,
    lasts: For = None,
) -> None:
    """Refuse a user, whichever client they use, and whoever they act for; end their sessions and streams."""
    name = one_line(subject, "the subject")
    what = What("user", name=name, tenant=one_line(tenant, "--tenant"), issuer=_given(issuer, "--issuer"))
    _stop(what, reason, seconds(lasts))


@app.command("tenant")
def stop_tenant(
    tenant: Annotated[str, typer.Argument(help="As tokens name it.")], reason: Reason, lasts: For = None
) -> None:
    """Refuse everybody of a tenant; end their sessions and streams."""
    _stop(What("tenant", tenant=one_line(tenant, "the tenant")), reason, seconds(lasts))


@app.command("token")
def stop_token(
    reason: Reason,
    jti: Annotated[str | None, typer.Option(help="Its id; else the token itself is read from standard input.")] = None,
    issuer: Issuer = None,
    lasts: For = None,
) -> None:
    """Revoke one access token, and end its streams. It is read from standard input, never from the command line."""
    for_s = seconds(lasts)
    if jti is None:
        if sys.stdin.isatty():
            typer.echo("Paste the token, then press Ctrl-D on a line of its own.", err=True)
        named_by = {known.url: known.id_claim for known in parse_settings().trusted_issuers}
        jti, kept_s = token_given(typer.get_text_stream("stdin").read(), named_by)
        for_s = kept_s if for_s is None else for_s
    _stop(What("token", name=one_line(jti, "--jti"), issuer=_given(issuer, "--issuer")), reason, for_s)


@app.command("login")
def stop_login(
    sid: Annotated[str, typer.Argument(help="`sid` of its tokens.")],
    reason: Reason,
    issuer: Issuer = None,
    lasts: For = None,
) -> None:
    """Revoke every token of one login at the identity provider, those it will still issue too; end its streams."""
    _stop(What("login", name=one_line(sid, "the sid"), issuer=_given(issuer, "--issuer")), reason, seconds(lasts))


def stops() -> None:
    """Print everything that is stopped as JSON lines, the oldest first."""

    async def run(settings: Settings) -> None:
        async with open_services(settings) as urls, _operating(urls) as connection:
            _, found = await load(connection)
        for switch in found:
            typer.echo(orjson.dumps(_shown(switch)).decode())

    _complete(run)


def resume(
    numbers: Annotated[list[int], typer.Argument(help="As `mcp-suite stops` names them.", metavar="NUMBER…")],
    reason: Annotated[str, typer.Option(help="Why: kept in the audit.")],
) -> None:
    """Lift stops, everywhere, within a second."""
    why = reason_of(reason)

    async def run(settings: Settings) -> None:
        async with _open_stopping(settings) as (stopping, _):
            for number in numbers:
                lifted = await stopping.resume(number, why)
                typer.echo(f"Lifted {number}: {described(lifted)}.")

    _complete(run)


def _stop(what: What, reason: str, for_s: float | None) -> None:
    why = reason_of(reason)

    async def run(settings: Settings) -> None:
        async with _open_stopping(settings) as (stopping, urls):
            switch, changed = await stopping.stop(what, why, for_s)
            if changed:
                typer.echo(f"Stopped as {switch.id}: {described(switch)}. Every replica knows within a second.")
                typer.echo(f'Lift it with: mcp-suite resume {switch.id} --reason "…"')
            else:
                since = switch.set_at.isoformat(timespec="seconds")
                typer.echo(f"Was stopped already as {switch.id}, by {switch.set_by}, {since}: {described(switch)}.")
            if what.kind in {"user", "tenant"} and not await _is_heard_of(urls, what):
                typer.echo("Note: the audit has no call of theirs; is the name spelt as tokens spell it?", err=True)

    _complete(run)


def _given(text: str | None, option: str) -> str | None:
    return None if text is None else one_line(text, option)


def _shown(switch: Switch) -> dict[str, Any]:
    names = ("id", "kind", "server", "name", "tenant", "issuer", "reason", "set_by", "set_at", "expires_at")
    return {name: value for name in names if (value := getattr(switch, name)) is not None}


def _complete(work: Callable[[Settings], Awaitable[None]]) -> None:
    settings = read_settings()

    async def run() -> None:
        await work(settings)

    complete(run)


@asynccontextmanager
async def _open_stopping(settings: Settings) -> AsyncGenerator[tuple[Stopping, Urls]]:
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(open_services(settings))
        connection = await stack.enter_async_context(_operating(urls))
        keys = load_keys(settings)
        sink = await stack.enter_async_context(open_writer(session_url(settings, urls.app), keys.audit, settings))
        yield Stopping(connection, sink, await stack.enter_async_context(_bus(settings)), operator()), urls


@asynccontextmanager
async def _operating(urls: Urls) -> AsyncGenerator[Any]:
    """A connection of the role that may stop."""
    if not urls.operator:
        raise Misconfigured("SUITE_DATABASE_OPERATOR_URL is needed: serving processes may not lift what is stopped")
    connection = await connect(urls.operator, "stop")
    try:
        await connection.execute("SET statement_timeout = '10s'")
        if not await connection.fetchval(_THERE):
            raise Misconfigured("the database has no table of switches; run `mcp-suite db migrate` first")
        if not await connection.fetchval(_MAY):
            raise Misconfigured(
                "SUITE_DATABASE_OPERATOR_URL is of a role that may not stop anything: use suite_operator"
            )
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _bus(settings: Settings) -> AsyncGenerator[Bus | None]:
    """A bus that is only spoken on; while Redis is away, replicas find the change in PostgreSQL."""
    if settings.redis_url is None:
        yield None
        return
    from shared.state.redis import open_redis  # noqa: PLC0415 - 0.1 s that every other command would wait
    from shared.state.redis_bus import RedisBus  # noqa: PLC0415 - as above

    async with open_redis(settings.redis_url.get_secret_value(), settings) as redis:
        yield RedisBus(redis, settings)


async def _is_heard_of(urls: Urls, what: What) -> bool:
    connection = await connect(urls.app, "stop")
    try:
        return await connection.fetchval(_HEARD_OF, what.tenant, what.name)
    finally:
        await connection.close()
