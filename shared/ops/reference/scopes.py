"""`docs/scopes.md`: every scope there is, what it includes, what asks for it, and who of the personas holds it."""

from collections.abc import Iterator
from typing import Any

import servers
from compose.idp.personas import PERSONAS
from shared.core.scopes import IMPLIED_VERBS, expand
from shared.core.server import Server
from shared.ops.reference.table import NOTE, code, table


def page() -> Iterator[str]:
    yield f"# Scopes\n\n{NOTE}"
    yield (
        "A scope is `<server>:<verb>`. Some verbs include others, on the same server; whoever may hold one is asked\n"
        "of [policy](policy.md) as well. A token is for one server, so it carries scopes of one.\n"
    )
    yield from table(("verb", "includes"), ((code(verb), code(*others)) for verb, others in IMPLIED_VERBS.items()))
    for server in servers.every():
        yield f"## {server.name}\n"
        clients = " ".join(f"`{scope}`" for scope in server.baseline)
        yield f"A client without a token is told to ask for {clients} first.\n"
        rows = ((code(scope), _asked_by(server, scope), _held_by(scope)) for scope in scopes_of(server))
        yield from table(("scope", "asked for by", "personas"), rows)


def scopes_of(server: Server) -> list[str]:
    """Every scope of one server that something asks for, that shows more, or that a persona is granted by name."""
    found = {scope for _, scopes in _asking(server) for scope in scopes}
    found |= {*server.baseline, *server.clearances}
    found |= {scope for persona in PERSONAS.values() for scope in persona.scopes}
    prefixes = {scope.partition(":")[0] for _, scopes in _asking(server) for scope in scopes} or {server.name}
    return sorted(scope for scope in found if scope.partition(":")[0] in prefixes)


def _asking(server: Server) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is offered, as its reader knows it, and the scopes it asks for."""
    offered: Any = server.tools
    yield from ((f"`{name}`", tool.scopes) for name, tool in offered.tools.items())
    yield from ((f"`{uri}`", one.tool.scopes) for uri, one in offered.resources.items())
    yield from ((f"prompt `{name}`", one.tool.scopes) for name, one in offered.prompts.items())
    yield from ((f"completion of `{name}`", tool.scopes) for name, tool in offered.completions.items())


def _asked_by(server: Server, scope: str) -> str:
    found = [name for name, scopes in _asking(server) if scope in scopes]
    if scope in server.clearances:
        found.append("nothing; answers show more to whoever holds it")
    return ", ".join(found)


def _held_by(scope: str) -> str:
    return " ".join(f"`{key}`" for key, persona in PERSONAS.items() if scope in expand(persona.scopes))
