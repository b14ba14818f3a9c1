"""`doctor` for what is on its way out: the tools of a server that will go, and those that should be gone."""

from collections.abc import Iterator
from datetime import date

from shared.core.server import Server
from shared.state.contract import Finding


def going(server: Server, today: date) -> Iterator[Finding]:
    """A note for each deprecated tool, and a warning once its sunset has come."""
    for tool in server.tools.tools.values():
        if tool.deprecated is None:
            continue
        text = f"{tool.name}: {tool.deprecated.sentence}"
        who = f"mcp-suite audit query --target {tool.name} tells who still calls it."
        if tool.deprecated.is_over(today):
            yield Finding("warning", text, f"The next major version of {server.name} may come without it. {who}")
        else:
            yield Finding("note", text, who)
