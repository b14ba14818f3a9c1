"""`doctor` for a server over a company's own database."""

from collections.abc import Sequence
from typing import Any

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.core.views import Views
from shared.ops.doctor_rows import Rows
from shared.ops.doctor_speed import a_row, trials
from shared.state.contract import TENANT, Examined, Finding, examine
from shared.state.database import connect
from shared.state.foreign import open_domain, read_only
from shared.state.room import room


async def examine_views(settings: Settings, name: str, views: Views, tenant: str | None) -> list[Finding]:
    """Everything there is to say, the most basic first; what cannot be told because of that is left out.

    Args:
        settings: They have a `domain_url` for the server.
        name: Of the server.
        views: Its contract.
        tenant: As whom to look at rows; None: as the one that is pinned, or as nobody.
    """
    pinned = settings.domain_tenant.get(name)
    try:
        connection = await connect(read_only(settings.domain_url[name].get_secret_value()), "doctor")
    except (Unavailable, ValueError) as error:
        return [_away(name, error)]
    try:
        await connection.execute(f"SET statement_timeout = {int(settings.statement_timeout_s * 1000)}")
        found = await examine(connection, name, views, pinned)
        findings = [Finding("ok", "connected"), await room(connection, settings), *found.findings]
        if any(finding.level == "problem" for finding in found.findings):
            return findings
        findings += await Rows(connection, views, tenant or pinned, found.columns).examine()
        whose = tenant or pinned or await _somebody(connection, views, found)
    finally:
        await connection.close()
    return [*findings, *(await _tried(settings, name, views, whose) if whose else [])]


def _away(name: str, error: BaseException) -> Finding:
    reason = error.__cause__ or error
    variable = f"SUITE_DOMAIN_URL__{name.upper()}"
    return Finding(
        "problem",
        f"cannot connect: {reason}",
        f"{variable} is postgresql://USER:PASSWORD@HOST:PORT/DATABASE; try it with psql from this machine.",
    )


async def _somebody(connection: Any, views: Views, found: Examined) -> str | None:
    """The tenant of some row, if the rows say it."""
    first = next(iter(views.tables))
    if TENANT not in found.columns[first]:
        return None
    return await connection.fetchval(f"SELECT {TENANT} FROM {views.schema}.{first} LIMIT 1")  # noqa: S608 - our contract


async def _tried(settings: Settings, name: str, views: Views, tenant: str) -> Sequence[Finding]:
    small = settings.model_copy(update={"pool_min": 1, "pool_max": 1})
    url = settings.domain_url[name].get_secret_value()
    try:
        async with open_domain(name, url, views, small) as domain:
            row = await a_row(domain, views, tenant)
            return await trials(domain, views, row, tenant) if row else []
    except (Misconfigured, Unavailable) as error:
        return [Finding("problem", f"the tools could not be tried: {error}")]
