from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.keys import load_keys
from shared.state.roles import Urls
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import Report, verify
from tests.pgbouncer import pooled, straight


@dataclass
class Local:
    """A data directory and a database for processes that speak stdio."""

    urls: Urls
    folder: Path
    scopes: str = "customers:write customers:pii"

    @property
    def env(self) -> dict[str, str]:
        return {
            "SUITE_DATA_DIR": str(self.folder),
            "SUITE_DATABASE_URL": self.urls.app,
            **{f"SUITE_{name.upper()}": value for name, value in pooled(self.urls).items()},
            "SUITE_DATABASE_OWNER_URL": self.urls.owner,
            "SUITE_DATABASE_READER_URL": self.urls.reader,
            "SUITE_STDIO_SCOPES": self.scopes,
            "SUITE_LOG_LEVEL": "DEBUG",
        }

    @property
    def errors(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{uuid4().hex}.log")

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        connection = await connect(straight(self.urls.app), "test")
        try:
            await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def audit(self) -> tuple[list[dict[str, Any]], Report]:
        """All records, the oldest first, and whether their chains are intact."""
        connection = await connect(self.urls.reader, "test")
        try:
            records = await query(connection, Filter(limit=10_000))
            report = await verify(connection, load_keys(Settings(data_dir=self.folder)).audit)
        finally:
            await connection.close()
        return [record for record in records if record["kind"] != "chain"][::-1], report
