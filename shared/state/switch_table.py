"""The rows of `suite.switches`: read by whoever serves, changed by the operator's role alone."""

from collections.abc import Sequence
from typing import Any

from shared.state.switches import Kind, Switch

TOPIC = "switches"
"""The bus topic that says: look at the table. The message itself means nothing."""

VERSION = "SELECT version FROM suite.switches_version"

_COLUMNS = "id, kind, server, name, tenant, issuer, reason, set_by, set_at, expires_at"
_LEFT = "extract(epoch FROM expires_at - clock_timestamp())::float8 AS left_s"
# One statement, one snapshot: the number belongs to the rows.
_LOAD = f"""
SELECT v.version, s.* FROM suite.switches_version AS v LEFT JOIN (
    SELECT {_COLUMNS}, {_LEFT} FROM suite.switches WHERE expires_at IS NULL OR expires_at > clock_timestamp()
) AS s ON true ORDER BY s.id
"""  # noqa: S608 - constants
# What is stopped already stays stopped at least as long: nobody shortens another's stop by repeating it.
_STOP = f"""
INSERT INTO suite.switches AS s (kind, server, name, tenant, issuer, reason, set_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + make_interval(secs => $8::float8))
ON CONFLICT ON CONSTRAINT switches_one_each DO UPDATE
SET reason = excluded.reason, set_by = excluded.set_by, set_at = clock_timestamp(), expires_at = excluded.expires_at
WHERE s.expires_at < excluded.expires_at OR (s.expires_at IS NOT NULL AND excluded.expires_at IS NULL)
RETURNING {_COLUMNS}, {_LEFT}
"""  # noqa: S608 - constants
_FIND = f"""
SELECT {_COLUMNS}, {_LEFT} FROM suite.switches
WHERE (kind, server, name, tenant, issuer) IS NOT DISTINCT FROM ($1::text, $2::text, $3::text, $4::text, $5::text)
"""  # noqa: S608 - constants
_LIFT = f"""
DELETE FROM suite.switches WHERE id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING {_COLUMNS}, {_LEFT}
"""  # noqa: S608 - constants


async def load(connection: Any) -> tuple[int, Sequence[Switch]]:
    """The number of the last change, and everything that is off."""
    rows = await connection.fetch(_LOAD)
    return rows[0]["version"], [_switch(row) for row in rows if row["id"] is not None]


async def stop(
    connection: Any,
    kind: Kind,
    *,
    reason: str,
    set_by: str,
    server: str | None = None,
    name: str | None = None,
    tenant: str | None = None,
    issuer: str | None = None,
    for_s: float | None = None,
) -> tuple[Switch, bool]:
    """Switch off, in the transaction of the connection; `for_s` None means until it is lifted.

    Returns:
        The switch, and whether that changed anything: if it was off already for as long or longer, nothing is
        changed, the reason neither.
    """
    identity = (kind, server, name, tenant, issuer)
    changed = await connection.fetchrow(_STOP, *identity, reason, set_by, for_s)
    return _switch(changed or await connection.fetchrow(_FIND, *identity)), changed is not None


async def lift(connection: Any, switch_id: int) -> Switch | None:
    """Switch on again, in the transaction of the connection; what was off, or None if there was no such switch."""
    lifted = await connection.fetchrow(_LIFT, switch_id)
    return _switch(lifted) if lifted else None


async def purge(connection: Any) -> int:
    """Forget those whose time is up; returns how many."""
    return await connection.fetchval("SELECT suite.purge_switches()")


def _switch(row: Any) -> Switch:
    return Switch(**{name: row[name] for name in Switch.__slots__})
