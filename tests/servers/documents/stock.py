"""Fill a collection without anybody's call, as an operator would."""

from collections.abc import Mapping
from typing import Any

from servers.documents.addresses import Address
from servers.documents.ids import new_id
from servers.documents.keeping import keep
from servers.documents.preparing import prepare
from servers.documents.rights import EVERYBODY, ORDER
from shared.state.database import SET_CALLER, Transaction, as_array, connect
from shared.state.roles import Urls

_RIGHTS = as_array([*(f"class:{each}" for each in ORDER), EVERYBODY, "role:manager"])


async def stock(urls: Urls, collection: str, files: Mapping[str, bytes], tenant: str = "acme", **wished: Any) -> None:
    """Keep files as new documents, in one transaction.

    Args:
        urls: Of the database.
        collection: Where to.
        files: Path → bytes.
        tenant: Whose.
        wished: Classification and readers, if not internal and everybody.
    """
    connection = await connect(urls.app, "test")
    try:
        async with connection.transaction():
            await connection.execute(SET_CALLER, tenant, _RIGHTS)
            for path, content in files.items():
                prepared = await prepare(collection, path, content)
                told: dict[str, Any] = {
                    "title": prepared.title,
                    "summary": prepared.summary,
                    "labels": sorted(prepared.labels),
                    "classification": "internal",
                    "readers": [EVERYBODY],
                    **wished,
                }
                address = Address(collection, path)
                await keep(Transaction(connection), tenant, "stock", address, None, told, prepared, new_id())
    finally:
        await connection.close()
