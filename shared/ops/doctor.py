"""`mcp-suite doctor`: what is wrong with the database behind a server, line by line, with what mends it."""

from collections.abc import Callable, Sequence

from shared.core.server import Server
from shared.core.settings import Settings
from shared.ops.doctor_own import examine_own
from shared.ops.doctor_views import examine_views
from shared.state.contract import Finding
from shared.state.services import open_services

__all__ = ["Finding", "examine_server", "show"]

_WIDTH = len("problem") + 2


async def examine_server(settings: Settings, server: Server, tenant: str | None = None) -> list[Finding]:
    """Everything there is to say about a server's database: a company's own, if the settings name one.

    Args:
        settings: Of the process that would serve.
        server: As it is declared.
        tenant: As whom to look at the rows of a company's database.

    Raises:
        Misconfigured: The settings name a database for a server that cannot be served from one.
    """
    if server.name in settings.domain_url:
        server.over_views()
        if server.views is not None:
            return await examine_views(settings, server.name, server.views, tenant)
    async with open_services(settings) as urls:
        return await examine_own(settings, urls, server)


def show(findings: Sequence[Finding], write: Callable[[str], None]) -> bool:
    """Write the findings, one line each and what mends it below; true if nothing keeps the server from working."""
    for finding in findings:
        write(f"{finding.level:<{_WIDTH}}{finding.text}")
        for line in finding.fix.splitlines():
            write(f"{'':<{_WIDTH}}{line}")
    counts = {level: sum(finding.level == level for finding in findings) for level in ("problem", "warning")}
    write(", ".join(f"{number} {level}{'' if number == 1 else 's'}" for level, number in counts.items()))
    return not counts["problem"]
