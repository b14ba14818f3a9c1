"""The databases of a run: fresh ones, and ones that took long to fill and are kept in `.bench/` for the next run."""

import json
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.ops.opening import migrate_all
from shared.state.database import connect
from shared.state.embedded import EmbeddedPostgres, open_embedded_postgres
from shared.state.embedded_redis import embedded_redis
from shared.state.roles import Urls, embedded_urls

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".bench"

Facts = dict[str, Any]
Fill = Callable[[Urls, Any], Awaitable[Facts]]


@dataclass(frozen=True)
class Stores:
    """A running PostgreSQL whose commits are durable, and a running Redis.

    Attributes:
        home: What is kept of them from run to run.
        engines: Their names and versions.
    """

    home: Path
    postgres: EmbeddedPostgres
    redis_url: str
    engines: str

    @property
    def postmaster(self) -> int:
        """The first process of PostgreSQL; the others are its children."""
        return int((self.home / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])

    async def fresh(self, name: str) -> Urls:
        """An empty database with every table."""
        admin = await connect(self.postgres.admin_url, "bench")
        try:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await admin.close()
        urls = await embedded_urls(self.postgres, self.home / "postgres", name)
        await migrate_all(urls)
        return urls

    async def kept(self, name: str, sources: Sequence[Path], fill: Fill) -> tuple[Urls, Facts]:
        """A database that is filled once and kept as long as what fills it is unchanged, and what filling it told.

        Args:
            name: Of what is in it.
            sources: The files that decide what is in it.
            fill: Gets the URLs and an administrator's connection; what it returns must fit JSON.
        """
        stamp = sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()[:12]
        database, told = f"{name}_{stamp}", self.home / f"{name}_{stamp}.json"
        with suppress(FileNotFoundError):
            facts = json.loads(told.read_text())
            return await embedded_urls(self.postgres, self.home / "postgres", database), facts
        await self._forget(name)
        urls = await self.fresh(database)
        admin = await connect(self._as_admin(database), "bench")
        try:
            began = time.monotonic()
            facts = await fill(urls, admin)
            facts["seconds"] = round(time.monotonic() - began, 1)
            await admin.execute("VACUUM (ANALYZE)")
        finally:
            await admin.close()
        told.write_text(json.dumps(facts))
        return urls, facts

    async def empty_audit(self, urls: Urls) -> None:
        """Forget what earlier runs were recorded for."""
        admin = await connect(self.as_admin(urls), "bench")
        try:
            await admin.execute("TRUNCATE suite.audit, suite.audit_chain, suite.ledger")
        finally:
            await admin.close()

    def as_admin(self, urls: Urls) -> str:
        """The administrator's URL of the same database."""
        return self._as_admin(urlsplit(urls.app).path[1:])

    async def _forget(self, name: str) -> None:
        """Drop what older sources filled."""
        admin = await connect(self.postgres.admin_url, "bench")
        try:
            for row in await admin.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", f"{name}\\_%"):
                await admin.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
        finally:
            await admin.close()
        for told in self.home.glob(f"{name}_*.json"):
            told.unlink()

    def _as_admin(self, database: str) -> str:
        return urlsplit(self.postgres.admin_url)._replace(path=f"/{database}").geturl()


@asynccontextmanager
async def open_stores(home: Path) -> AsyncGenerator[Stores]:
    """Both engines, started on the cores this process is bound to."""
    async with open_embedded_postgres(home / "postgres") as postgres:
        with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder)) as redis:
            engines = f"{postgres.engine}, {redis.engine}"
            yield Stores(home, postgres, redis.url, engines)
