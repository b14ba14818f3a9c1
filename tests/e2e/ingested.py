"""A folder of files, made a collection by the command, behind two replicas."""

import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from servers.documents.server import server
from shared.core.settings import Settings
from tests.clients.documents import connected, hearing
from tests.harness import ERAS, Databases, Suite, open_suite
from tests.processes import COMMAND
from tests.servers.documents.desk import Desk
from tests.servers.documents.ingesting.workshop import Workshop

_TOLD_S = 20


@dataclass(frozen=True)
class Ingested:
    """Attributes:
    replicas: Over one database and one Redis; the command knows the database alone.
    """

    replicas: Sequence[Suite]
    folder: Path
    collection: str

    @property
    def desk(self) -> Desk:
        return Desk(self.replicas[0])

    def uri(self, path: str) -> str:
        return f"doc://{self.collection}/{path}"

    async def ingest(self) -> dict[str, Any]:
        """Do in this process what the command does: its report."""
        suite = self.replicas[0]
        settings = Settings.model_validate({"database_url": suite.urls.app, "data_dir": suite.settings.data_dir})
        shop = Workshop(suite.urls, suite.admin_url, settings, self.folder, self.collection)
        return (await shop.ingest()).as_object()

    async def command(self, *options: str) -> dict[str, Any]:
        """Run the command, a process that knows nothing of the replicas: its report."""
        suite = self.replicas[0]
        report = suite.settings.data_dir / "report.json"
        urls = suite.urls
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))}
        environment = kept | {
            "SUITE_DATA_DIR": str(suite.settings.data_dir),
            "SUITE_DATABASE_URL": urls.app,
            "SUITE_DATABASE_OWNER_URL": urls.owner,
            "SUITE_DATABASE_READER_URL": urls.reader,
        }
        words = [str(COMMAND), "documents", "ingest", str(self.folder), "--collection", self.collection]
        done = await anyio.run_process([*words, "--report", str(report), *options], env=environment, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(report.read_text())

    async def rows(self) -> list[str]:
        """Every row of the collection and its transaction: a row that is written again is another one."""
        statement = """
        SELECT d.xmin, v.xmin, d.path, v.version FROM documents.documents AS d
        JOIN documents.versions AS v ON v.document_id = d.id WHERE d.collection = $1
        """
        return sorted(map(str, await self.replicas[0].sql(statement, self.collection)))

    async def counts(self) -> dict[str, int]:
        """Documents by topmost folder, as somebody counts them who follows the list of resources to its end."""
        uris: list[str] = []
        cursor: str | None = ""
        async with self.replicas[0].connect("support", server="documents") as client:
            while cursor is not None:
                page = await client.list_resources(cursor=cursor or None)
                uris += [resource.uri for resource in page.resources]
                cursor = page.next_cursor
        assert len(uris) == len(set(uris))
        start = self.uri("")
        paths = [uri.removeprefix(start) for uri in uris if uri.startswith(start)]
        return dict(Counter(path.partition("/")[0] if "/" in path else "" for path in paths))

    async def level(self, folder: str) -> list[str]:
        """Names on one level."""
        listed = await self.desk.call("list_collection", collection=self.collection, folder=folder, limit=200)
        return [entry["name"] for entry in listed["entries"]]

    async def outline(self, path: str) -> list[tuple[int, str]]:
        """Level and words of each heading."""
        outline = await self.desk.call("get_document_outline", uri=self.uri(path))
        return [(each["level"], each["heading"]) for each in outline["sections"] if each["level"]]

    async def related(self, path: str, relation: str) -> set[str]:
        """Paths of documents that are so related."""
        found = (await self.desk.call("find_related", uri=self.uri(path), limit=25))["found"]
        return {each["name"] for each in found if each["relation"] == relation}

    async def told(self, path: str, change: Callable[[], Awaitable[Any]]) -> list[str]:
        """What followers of a document behind the other replica are told of a change, one in each era."""
        known_as = self.replicas[0].settings.base_url
        told: list[str] = []
        async with AsyncExitStack() as stack:
            waiting: list[Callable[[], Awaitable[str]]] = []
            for era in ERAS:
                heard: list[str] = []
                client = connected(self.replicas[1], "support", era, heard, known_as)
                reader = await stack.enter_async_context(client)
                waiting.append(await stack.enter_async_context(hearing(reader, self.uri(path), heard)))
            await change()
            with anyio.move_on_after(_TOLD_S):
                told += [await wait() for wait in waiting]
        return told


@asynccontextmanager
async def ingested(databases: Databases, redis_url: str, data: Path, folder: Path) -> AsyncGenerator[Ingested]:
    """Two replicas, and a folder that is not ingested yet."""
    urls = await databases.fresh()
    async with AsyncExitStack() as stack:
        replicas: list[Suite] = []
        for _ in range(2):
            name = {"public_url": replicas[0].settings.base_url} if replicas else {}
            opening = open_suite(urls, data, databases.admin_url, served=[server], redis_url=redis_url, **name)
            replicas.append(await stack.enter_async_context(opening))
        yield Ingested(replicas, folder, folder.name)
