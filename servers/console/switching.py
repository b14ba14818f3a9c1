"""The kill switch as a tenant's administrator has it: for things of their own tenant, and never so that they lock
themselves out. The whole suite, other tenants, tokens and logins are for operators (docs/stop-something.md).
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from servers.console.desk import Desk, desk
from servers.console.records import Word
from servers.console.tools import tools
from shared.core.caller import Caller
from shared.core.errors import Denied, Invalid, Misconfigured, NotFound
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.state.database import SET_CALLER
from shared.state.switch_table import load
from shared.state.switches import Switch
from shared.steps.redaction import Exact
from shared.steps.stopping import Stopping, What
from shared.steps.stopping_words import described, one_line, reason_of, seconds, targets

FRESH_S = 300
"""How long ago whoever stops or resumes something may have signed in."""

Reason = Annotated[str, Field(min_length=3, max_length=300, description="Told to whoever is stopped, and kept.")]


class Stop(WriteArguments):
    """What to switch off in the tenant, for how long, and why."""

    kind: Literal["tool", "server", "client", "user"]
    server: Annotated[str | None, Exact(), Field(max_length=64, description="Of a tool or server.")] = None
    name: Annotated[str | None, Exact(), Field(max_length=512, description="Of the tool; client_id; subject.")] = None
    lasts: Annotated[str | None, Exact(), Field(max_length=12, description="90s, 30m, 2h, 7d; else until resumed.")] = (
        None
    )
    reason: Reason


class Resume(WriteArguments):
    """What to switch on again, by its number, and why."""

    number: Annotated[int, Field(ge=1, le=2**62)]
    reason: Reason


class Nothing(Arguments):
    """All there is."""


class Stopped(Answer):
    """One thing that is off.

    Attributes:
        own: Whether it is off for this tenant alone, so that the viewer may resume it.
    """

    number: int
    kind: Word
    server: Annotated[str | None, Exact()]
    name: Annotated[str | None, Exact()]
    issuer: Annotated[str | None, Exact()]
    reason: Word
    set_by: Annotated[str | None, Exact()]
    set_at: datetime
    expires_at: datetime | None
    own: bool


class Stops(Answer):
    """Everything that is off."""

    stops: list[Stopped]


class Changed(Answer):
    """What was changed, or would be.

    Attributes:
        what: In words.
        changed: Whether anything did change: what is off already for as long stays as it is.
    """

    what: Word
    changed: bool


@tools.read("catalogue:read")
async def list_stops(call: Call, _: Nothing) -> Stops:
    """What is off for the tenant, the oldest first."""
    tenant = call.caller.tenant
    return Stops(stops=[_told(switch, tenant) for switch in await _stops(desk(call), tenant)])


@tools.write("switches:write", risk=Risk.HIGH, acr="aal2", max_age_s=FRESH_S)
async def stop(call: Call, query: Stop) -> Changed:
    """Switch a tool, a server, a client or a user of the tenant off, at every replica."""
    what, words = _what(desk(call), call.caller, query), _words(query)
    if query.dry_run:
        return Changed(what=_sentence(what), changed=False)
    async with desk(call).database.connection() as connection:
        switch, changed = await _stopping(call, connection).stop(what, *words)
    return Changed(what=described(switch), changed=changed)


@tools.write("switches:write", risk=Risk.HIGH, acr="aal2", max_age_s=FRESH_S)
async def resume(call: Call, query: Resume) -> Changed:
    """Switch on again what was off for this tenant alone."""
    found = {each.id: each for each in await _stops(desk(call), call.caller.tenant)}
    switch = found.get(query.number)
    if switch is None:
        raise NotFound("Nothing of yours is stopped under that number any more. Look at the list again.")
    if switch.tenant != call.caller.tenant:
        raise Denied("It is off for every tenant; only an operator can lift it.", "not of this tenant", ())
    if not query.dry_run:
        async with desk(call).database.connection() as connection:
            switch = await _stopping(call, connection).resume(query.number, _reason(query.reason))
    return Changed(what=described(switch), changed=not query.dry_run)


def _stopping(call: Call, connection: object) -> Stopping:
    here, caller = desk(call), call.caller
    return Stopping(connection, here.sink, here.bus, caller.subject, tenant=caller.tenant, agent="console")


async def _stops(here: Desk, tenant: str) -> list[Switch]:
    async with here.database.connection() as connection, connection.transaction():
        await connection.execute(SET_CALLER, tenant, "{}")
        return list((await load(connection))[1])


def _what(here: Desk, caller: Caller, query: Stop) -> What:
    """What is to be stopped, of the caller's tenant.

    Raises:
        Invalid: There is no such thing.
        Denied: It would lock the caller out.
    """
    if query.kind in {"tool", "server"}:
        server = here.servers.get(query.server or "")
        if server is None:
            raise Invalid(f"There is no such server; there are: {', '.join(sorted(here.servers))}.")
        if server.name == "console":
            raise Denied("The console cannot stop itself; an operator can.", "it would lock everybody out", ())
        if query.kind == "server":
            return What("server", server=server.name, tenant=caller.tenant)
        if query.name not in targets(server):
            raise Invalid(f"{server.name} has nothing of that name; it has: {', '.join(targets(server))}.")
        return What("tool", server=server.name, name=query.name, tenant=caller.tenant)
    name = _line(query.name or "", "the name")
    if name in {caller.subject, caller.client, *caller.actors}:
        raise Denied("That would lock you out; an operator can do it.", "nobody stops themselves", ())
    return What(query.kind, name=name, tenant=caller.tenant)


def _words(query: Stop) -> tuple[str, float | None]:
    try:
        return _reason(query.reason), seconds(query.lasts)
    except Misconfigured as error:
        raise Invalid(str(error)) from None


def _reason(text: str) -> str:
    try:
        return reason_of(text)
    except Misconfigured as error:
        raise Invalid(str(error)) from None


def _line(text: str, what: str) -> str:
    try:
        return one_line(text, what)
    except Misconfigured as error:
        raise Invalid(str(error)) from None


def _sentence(what: What) -> str:
    """What will happen, for the page that asks once more."""
    match what.kind:
        case "tool":
            return f"{what.server}.{what.name} will be missing for everybody of {what.tenant}, at every replica."
        case "server":
            return f"Everything of the server {what.server} will be missing for everybody of {what.tenant}."
        case "client":
            return f"Every call of the program {what.name} in {what.tenant} will be refused, whoever uses it."
        case _:
            return f"Every call of {what.name} in {what.tenant} will be refused, with whichever program."


def _told(switch: Switch, tenant: str) -> Stopped:
    own = switch.tenant == tenant
    return Stopped(
        number=switch.id,
        kind=switch.kind,
        server=switch.server,
        name=switch.name,
        issuer=switch.issuer,
        reason=switch.reason,
        set_by=switch.set_by if own else None,
        set_at=switch.set_at,
        expires_at=switch.expires_at,
        own=own,
    )
