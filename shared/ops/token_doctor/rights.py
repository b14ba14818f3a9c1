"""What a caller whose token is accepted comes to: what is stopped, and what policy and scopes leave of the tools."""

from collections.abc import Iterator

import asyncpg

from shared.core.caller import Caller
from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.ops.token_doctor.told import Question, Told
from shared.ops.token_doctor.words import listed
from shared.state.database import connect
from shared.state.locks import is_held
from shared.state.services import open_services
from shared.state.switch_table import load
from shared.state.switches import Switches
from shared.steps.challenges import ADVICE
from shared.steps.policy.rules import Rules, sources_of
from shared.steps.policy.schema import Target, targets_of
from shared.steps.policy.statements import InvalidPolicy
from shared.steps.policy.subject import Here, Subject

_NOBODY_KNOWS = "`mcp-suite stops` lists what is stopped; it needs the database."


async def tell_stops(told: Told, settings: Settings) -> Switches | None:
    """What is stopped, if the database can be asked without starting one; else that is told."""
    if settings.database_url is None and not is_held(settings.data_dir / "postgres" / "runtime.json"):
        told.add("note", "stops: not looked at, for the database of this machine does not run", _NOBODY_KNOWS)
        return None
    switches = Switches()
    try:
        async with open_services(settings) as urls:
            connection = await connect(urls.app, "doctor")
            try:
                switches.replace((await load(connection))[1])
            finally:
                await connection.close()
    except (Unavailable, Misconfigured, asyncpg.PostgresError, ValueError):
        told.add("warning", "stops: not looked at, for the database cannot be asked", _NOBODY_KNOWS)
        return None
    return switches


def tell_stopped(told: Told, switches: Switches, who: Caller) -> bool:
    """Whether the caller is refused for what an administrator stopped."""
    if switches.revoked(who):
        fix = f"{ADVICE['revoked']}. `mcp-suite stops` lists what is stopped, `mcp-suite resume` lifts it."
        told.refused("revoked", "stops: this token, or its login, was revoked here", fix)
        return True
    suspended = switches.suspended(who)
    if suspended is not None:
        told.add("problem", f"stops: {suspended.message}", "`mcp-suite stops` lists it, `mcp-suite resume` lifts it.")
        return True
    told.add("ok", "stops: neither the token, nor its login, user, client or tenant is stopped")
    return False


def tell_rights(told: Told, question: Question, who: Caller, switches: Switches | None) -> None:
    """Which tools, resources and prompts the caller sees, and what keeps it from the others."""
    try:
        rules = Rules.of(question.server, sources_of(question.server, question.settings.policy_dir))
    except InvalidPolicy as error:
        told.add("warning", f"rights: the policies cannot be used: {error.problems[0]}", "mcp-suite policy check")
        return
    subject = Subject.of(rules, Here(question.settings.environment, question.settings.read_only), who)
    _tell_dropped(told, question, subject)
    grouped: dict[str, list[str]] = {}
    for target in _served(question):
        hidden = switches is not None and switches.hides(question.server.name, target.tool.name, who)
        why = "an administrator stopped them" if hidden else _kept_from(subject, target)
        grouped.setdefault(why, []).append(target.tool.name)
    seen = grouped.pop("", [])
    everything = len(seen) + sum(map(len, grouped.values()))
    level = "ok" if seen else "warning"
    told.add(level, f"rights: the caller sees {len(seen)} of {everything}: {', '.join(sorted(seen)) or 'none'}")
    for why, names in grouped.items():
        text = f"rights: {len(names)} not, for {why}: {', '.join(sorted(names))}"
        told.add("note", text, _advice(why, question, names))


def _served(question: Question) -> Iterator[Target]:
    """What the server has as it is served: over its own tables, or over a company's views."""
    over_views = question.server.name in question.settings.domain_url
    yield from targets_of(question.server.over_views() if over_views else question.server)


def _tell_dropped(told: Told, question: Question, subject: Subject) -> None:
    known = {scope for target in _served(question) for scope in target.tool.scopes}
    dropped = sorted(scope for scope in known & subject.given.scopes if not subject.may_hold(scope))
    if dropped:
        fix = "Policy says which roles may hold which scopes: docs/policy.md."
        told.add("note", f"rights: {listed(dropped)} of the token do not count, by policy", fix)


def _kept_from(subject: Subject, target: Target) -> str:
    """Why the caller does not see it, asked as a call is; nothing if it does."""
    unheld = [scope for scope in target.tool.scopes if not subject.may_hold(scope)]
    if unheld:
        return f"policy lets this caller not hold {' '.join(unheld)}"
    if not subject.may_see(target.name):
        return "policy hides them from this caller"
    lacking = [scope for scope in target.tool.scopes if not subject.given.may(scope)]
    return f"the token lacks {' '.join(lacking)}" if lacking else ""


def _advice(why: str, question: Question, names: list[str]) -> str:
    if why.startswith("the token"):
        return "The client is told so when it calls one (403), and has to authorize again with that scope."
    if why.startswith("policy"):
        return f"They look missing. Why: mcp-suite policy explain {question.server.name}.{min(names)} --role …"
    return "They look missing. `mcp-suite stops` lists what is stopped."
