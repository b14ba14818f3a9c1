"""Every server and what it offers, as it is declared, with the policies that ask people to look first."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from servers.console.desk import desk
from servers.console.records import Word
from servers.console.switching import Nothing
from servers.console.tools import tools
from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.tool import Answer, Call, Effect, Tool
from shared.steps.policy import cedar
from shared.steps.policy.rules import sources_of
from shared.steps.policy.schema import Target
from shared.steps.policy.statements import Statement
from shared.steps.redaction import Exact

_WORDS = {"confirm": "asks the caller to confirm", "step_up": "needs a stronger or fresher sign-in"}


class Asking(Answer):
    """A policy that may make somebody look before it is done."""

    policy: Word
    what: Word
    reason: Word


class Offered(Answer):
    """One thing that a server offers.

    Attributes:
        kind: `tool`, `resource` or `prompt`.
        title: The address of a resource, the name of anything else.
        risk: Of writes.
        hints: What clients are told of it, in words.
    """

    name: Word
    kind: Word
    title: Word
    description: Word
    scopes: list[Word]
    effect: Word
    risk: Annotated[str | None, Exact()]
    hints: list[Word]
    policies: list[Asking]


class Offering(Answer):
    """One server."""

    name: Word
    title: Word
    version: Word
    instructions: Word
    offered: list[Offered]


class Catalogue(Answer):
    """All servers, by name."""

    servers: list[Offering]


@tools.read("catalogue:read")
async def list_catalogue(call: Call, _: Nothing) -> Catalogue:
    """Every server that there is, with its tools, resources and prompts."""
    here = desk(call)
    return Catalogue(servers=[_offering(server, here.policies) for _, server in sorted(here.servers.items())])


def _statements(server: Server, folder: Path | None) -> list[Statement]:
    """Its policies as their files have them now; none if they cannot be read, which the server itself complains of."""
    try:
        sources = sources_of(server, folder)
        return [Statement(name, one) for name, text in sources.items() for one in cedar.parse(text)]
    except (Misconfigured, ValueError):
        return []


def _offering(server: Server, folder: Path | None) -> Offering:
    soft = [one for one in _statements(server, folder) if one.soft]
    offered = [_offered(soft, server, kind, tool, title) for kind, tool, title in _all(server)]
    return Offering(
        name=server.name,
        title=server.title,
        version=server.version,
        instructions=server.instructions,
        offered=offered,
    )


def _all(server: Server) -> Iterator[tuple[str, Tool, str]]:
    toolset = server.tools
    yield from (("tool", tool, tool.name) for tool in toolset.tools.values())
    yield from (("resource", one.tool, address) for address, one in toolset.resources.items())
    yield from (("prompt", one.tool, name) for name, one in toolset.prompts.items())


def _offered(soft: Sequence[Statement], server: Server, kind: str, tool: Tool, title: str) -> Offered:
    target = Target(server.name, tool, kind)
    return Offered(
        name=tool.name,
        kind=kind,
        title=title,
        description=tool.description,
        scopes=list(tool.scopes),
        effect=str(tool.effect),
        risk=str(tool.risk) if tool.effect is Effect.WRITE else None,
        hints=list(_hints(tool)),
        policies=[_asking(one) for one in soft if one.may_concern(target.name, target.groups)],
    )


def _hints(tool: Tool) -> Iterator[str]:
    if tool.open_world:
        yield "reaches the outside world"
    if tool.inverse is not None:
        yield f"taken back by {tool.inverse}"
    if tool.acr is not None:
        yield f"sign-in at least {tool.acr}"
    if tool.max_age_s is not None:
        yield f"signed in within {tool.max_age_s} s"
    if tool.deferrable:
        yield "can wait"


def _asking(statement: Statement) -> Asking:
    people = "1 person" if statement.approvals == 1 else f"{statement.approvals} people"
    what = _WORDS.get(statement.effect, f"needs the approval of {people}")
    return Asking(policy=statement.name, what=what, reason=statement.reason)
