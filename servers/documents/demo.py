"""Demo data: a small handbook for one tenant, a page for the other. What leaves the company and what must not is in it,
and a letter that tries to give a model orders.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.documents.addresses import Address
from servers.documents.ids import new_id
from servers.documents.keeping import keep
from servers.documents.preparing import prepare
from servers.documents.rights import EVERYBODY, ORDER
from shared.state.database import SET_CALLER, Transaction, as_array, connect

_HANDBOOK = Path(__file__).with_name("handbook")
_AUTHOR = "demo"
_RIGHTS = as_array([*(f"class:{each}" for each in ORDER), EVERYBODY, "role:manager"])


@dataclass(frozen=True)
class _Guarded:
    classification: str = "internal"
    readers: list[str] = field(default_factory=lambda: [EVERYBODY])


_GUARDED = {
    "sales/price-list.md": _Guarded("public"),
    "sales/discounts.md": _Guarded("confidential"),
    "people/salary-bands.md": _Guarded("restricted", ["role:admin", "role:manager"]),
}
_OTHER_TENANTS: Mapping[str, Mapping[str, bytes]] = {
    "globex": {"welcome.md": b"# Welcome to Globex\n\nNobody at Acme can read this.\n"},
}


async def seed(owner_url: str) -> None:
    """Fill the tables; does nothing where a tenant has documents already.

    Args:
        owner_url: `postgresql://…` of the owner of the tables, who is under row-level security like all others.
    """
    handbook = {str(path.relative_to(_HANDBOOK)): path.read_bytes() for path in sorted(_HANDBOOK.rglob("*.md"))}
    connection = await connect(owner_url, "demo")
    try:
        for tenant, files in {"acme": handbook, **_OTHER_TENANTS}.items():
            async with connection.transaction():
                await connection.execute("LOCK TABLE documents.documents IN SHARE ROW EXCLUSIVE MODE")
                await connection.execute(SET_CALLER, tenant, _RIGHTS)
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM documents.documents)"):
                    await _fill(Transaction(connection), tenant, files)
        await connection.execute("ANALYZE documents.documents, documents.sections")
    finally:
        await connection.close()


async def _fill(transaction: Transaction, tenant: str, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        prepared = await prepare("handbook", path, content)
        guarded = _GUARDED.get(path, _Guarded())
        wished: dict[str, Any] = {
            "title": prepared.title,
            "summary": prepared.summary,
            "labels": sorted(prepared.labels),
            "classification": guarded.classification,
            "readers": guarded.readers,
        }
        await keep(transaction, tenant, _AUTHOR, Address("handbook", path), None, wished, prepared, new_id())
