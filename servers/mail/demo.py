"""Demo data: who may be written to and who writes, and a template of one's own. The same at every start."""

from collections.abc import Mapping
from typing import Any

from shared.state.database import SET_CALLER, connect

_ACME: Mapping[str, Any] = {
    "senders": [
        ("support", "support@acme.example", "Acme Support", None, [], None),
        ("colleagues", "office@acme.example", "Acme Office", None, ["acme.example"], None),
        (
            "news",
            "news@acme.example",
            "Acme News",
            "support@acme.example",
            [],
            "https://www.acme.example/unsubscribe/{token}",
        ),
    ],
    "rules": [("acme.example", "own"), ("evil.example", "denied")],
    "suppressions": [("gone@customer.example", "bounced"), ("no-more@customer.example", "unsubscribed")],
}
_GLOBEX: Mapping[str, Any] = {
    "senders": [("support", "help@globex.example", "Globex", None, [], None)],
    "rules": [("globex.example", "own")],
    "suppressions": [],
}

_SENDER = """
INSERT INTO mail.senders (name, address, display_name, reply_to, domains, unsubscribe_url)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def seed(owner_url: str) -> None:
    """Fill the tables; does nothing where a tenant has senders already.

    Args:
        owner_url: `postgresql://…` of the owner of the tables, who is under row-level security like all others.
    """
    connection = await connect(owner_url, "demo")
    try:
        for tenant, kept in {"acme": _ACME, "globex": _GLOBEX}.items():
            async with connection.transaction():
                await connection.execute("LOCK TABLE mail.senders IN SHARE ROW EXCLUSIVE MODE")
                await connection.execute(SET_CALLER, tenant, "{}")
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM mail.senders)"):
                    await _fill(connection, kept)
    finally:
        await connection.close()


async def _fill(connection: Any, kept: Mapping[str, Any]) -> None:
    await connection.executemany(_SENDER, kept["senders"])
    await connection.executemany("INSERT INTO mail.domain_rules (domain, verdict) VALUES ($1, $2)", kept["rules"])
    await connection.executemany(
        "INSERT INTO mail.suppressions (address, reason) VALUES ($1, $2)", kept["suppressions"]
    )
