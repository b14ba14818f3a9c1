"""A folder, a database, and runs of the command's own work between them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio

from servers.documents.ingesting.ordering import Order
from servers.documents.ingesting.reporting import Report
from servers.documents.ingesting.wishes import Wishes
from servers.documents.rights import Classification
from shared.core.settings import Settings
from shared.ops import documents
from shared.state.database import connect
from shared.state.keys import load_keys
from shared.state.roles import Urls
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify

TABLES = ("documents.documents", "documents.versions", "documents.sections", "documents.links", "suite.announcements")


@dataclass(frozen=True)
class Workshop:
    """One collection and its folder."""

    urls: Urls
    admin_url: str
    settings: Settings
    root: Path
    collection: str

    @staticmethod
    def of(urls: Urls, admin_url: str, data: Path, root: Path) -> "Workshop":
        settings = Settings.model_validate({"database_url": urls.app, "data_dir": data})
        root.mkdir(exist_ok=True)
        return Workshop(urls, admin_url, settings, root, f"c-{uuid4().hex[:12]}")

    def put(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    async def ingest(self, classification: str = "internal", *readers: str, **order: Any) -> Report:
        """What came of a run."""
        wishes = Wishes.of(Classification(classification), readers, order.pop("labels", ()), "https://idp.example")
        wanted: dict[str, Any] = {"root": self.root, "tenant": "acme", "by": "ops", "workers": 1, **order}
        made = Order(collection=self.collection, wishes=wishes, **wanted)
        report = Report(str(uuid4()), self.collection, made.tenant, made.dry_run)
        try:
            await documents.run(self.settings, made, report)
        except ExceptionGroup as group:
            raise _alone(group) from None
        assert report.outcome == "ok"
        return report

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """As an administrator, who sees everything."""
        async with self.admin() as admin:
            return await admin.fetch(statement, *values)

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[Any]:
        connection = await connect(
            urlsplit(self.admin_url)._replace(path=urlsplit(self.urls.app).path).geturl(), "test"
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def until_somebody_waits(self) -> None:
        """For a lock of this database."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        async with self.admin() as admin:
            with anyio.fail_after(20):
                while not await admin.fetchval(waiting):
                    await anyio.sleep(0.01)

    async def state(self) -> dict[str, list[Any]]:
        """Every row that an ingest could change, of all collections."""
        return {table: sorted(map(str, await self.sql(f"SELECT t.*, xmin FROM {table} AS t"))) for table in TABLES}

    async def shown(self) -> dict[str, Any]:
        """The documents of the collection that are not put away, by path."""
        rows = await self.sql(
            "SELECT * FROM documents.documents WHERE collection = $1 AND archived_at IS NULL", self.collection
        )
        return {row["path"]: row for row in rows}

    async def announced(self) -> list[str]:
        """The URIs of which followers are to be told, below the collection; they are forgotten."""
        rows = await self.sql("DELETE FROM suite.announcements RETURNING uri")
        start = f"doc://{self.collection}"
        assert all(row["uri"].startswith(start) for row in rows)
        return sorted(row["uri"].removeprefix(start) for row in rows)

    async def records(self) -> list[dict[str, Any]]:
        """Of runs of this collection, the oldest first; the chain is whole."""
        connection = await connect(self.urls.reader, "test")
        try:
            assert (await verify(connection, load_keys(self.settings).audit)).problems == []
            found = await query(connection, Filter(target=f"doc://{self.collection}", limit=10_000))
        finally:
            await connection.close()
        return found[::-1]


def _alone(error: Exception) -> Exception:
    """What failed, without the groups of the tasks around it, as the command tells it."""
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return _alone(inner[0]) if inner else error
