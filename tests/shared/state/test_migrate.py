"""Migrations: twice, two at once, with few rights, and all or nothing."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import asyncpg
import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

import servers
from shared.core.errors import Misconfigured, Unavailable
from shared.state.database import connect
from shared.state.embedded import EmbeddedPostgres
from shared.state.migrate import upgrade
from shared.state.revisions import SUITE_REVISIONS, newest_revision
from shared.state.roles import Passwords, Urls, ensure_roles
from shared.state.services import migrate
from tests.harness import Databases

pytestmark = pytest.mark.anyio

CATALOGUE = """
SELECT concat_ws(' ', n.nspname || '.' || c.relname, c.relkind, c.relacl)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1
"""
MADE = "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relnamespace = to_regnamespace('own')"
REVISION = """
from alembic import op

revision = "{revision}"
down_revision = {before}


def upgrade() -> None:
    op.execute("{sql}")


def downgrade() -> None:
    pass
"""
EVERY = {"customers": servers.load("customers").migrations or Path()}

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
async def urls(postgres: EmbeddedPostgres, role_passwords: Passwords) -> Urls:
    """A database of which nothing is migrated yet."""
    return await ensure_roles(postgres.admin_url, role_passwords, f"empty_{uuid4().hex[:12]}")


@pytest.fixture
def admin(postgres: EmbeddedPostgres, urls: Urls) -> Ask:
    async def ask(sql: str) -> Any:
        connection = await connect(urlsplit(postgres.admin_url)._replace(path=urlsplit(urls.app).path).geturl(), "test")
        try:
            return [row[0] for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return ask


def revise(folder: Path, *commands: str) -> Path:
    """A folder of revisions, one for each command."""
    folder.mkdir(exist_ok=True)
    for number, sql in enumerate(commands, 1):
        before = f'"{number - 1:04}"' if number > 1 else None
        text = REVISION.format(revision=f"{number:04}", before=before, sql=sql)
        (folder / f"{number:04}_step.py").write_text(text)
    return folder


async def test_a_second_run_changes_nothing(urls: Urls, admin: Ask) -> None:
    await migrate(urls.owner, EVERY)
    before = await admin(CATALOGUE)
    await migrate(urls.owner, EVERY)
    assert await admin(CATALOGUE) == before
    assert any(name.startswith("suite.ledger ") for name in before)
    assert any(name.startswith("customers.customers ") for name in before)


async def test_runs_that_start_at_once_follow_one_another(urls: Urls, admin: Ask) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(migrate, urls.owner, EVERY)
    assert await admin("SELECT version_num FROM suite.revision") == [newest_revision(SUITE_REVISIONS)]


async def test_an_owner_who_may_not_create_schemas_migrates_those_it_was_given(urls: Urls, admin: Ask) -> None:
    name = urlsplit(urls.owner).path[1:]
    await admin(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
    await admin(f"REVOKE ALL ON DATABASE {name} FROM suite_owner")
    await admin(f"GRANT CONNECT ON DATABASE {name} TO suite_owner")
    with pytest.raises(DBAPIError, match="permission denied"):
        await upgrade(urls.owner, "suite")
    await admin("CREATE SCHEMA suite AUTHORIZATION suite_owner")
    await upgrade(urls.owner, "suite")
    assert await admin("SELECT version_num FROM suite.revision") == [newest_revision(SUITE_REVISIONS)]


async def test_only_new_revisions_run(urls: Urls, admin: Ask, tmp_path: Path) -> None:
    first, second = "CREATE TABLE own.first ()", "CREATE TABLE own.second ()"
    await upgrade(urls.owner, "own", revise(tmp_path, first))
    assert await admin(MADE) == [["first", "revision", "revision_pkc"]]
    await upgrade(urls.owner, "own", revise(tmp_path, first, second))
    assert await admin(MADE) == [["first", "revision", "revision_pkc", "second"]]


async def test_whoever_holds_on_to_a_table_makes_a_migration_wait_but_nobody_else(
    urls: Urls, admin: Ask, tmp_path: Path
) -> None:
    first, second = "CREATE TABLE own.first ()", "ALTER TABLE own.first ADD COLUMN more text"
    await upgrade(urls.owner, "own", revise(tmp_path, first))
    holder, reader = await connect(urls.owner, "test"), await connect(urls.owner, "test")
    try:
        async with anyio.create_task_group() as tasks, holder.transaction():
            await holder.execute("SELECT FROM own.first")
            tasks.start_soon(upgrade, urls.owner, "own", revise(tmp_path, first, second))
            await until_waiting(reader)
            await reader.execute("SET statement_timeout = '10s'")
            await reader.execute("SELECT FROM own.first")  # behind the migration, for as long as one try lasts
        assert await admin("SELECT version_num FROM own.revision") == ["0002"]
    finally:
        await holder.close()
        await reader.close()


async def test_a_table_that_is_never_let_go_of_ends_a_migration_with_what_to_do(urls: Urls, tmp_path: Path) -> None:
    first, second = "CREATE TABLE own.first ()", "ALTER TABLE own.first ADD COLUMN more text"
    await upgrade(urls.owner, "own", revise(tmp_path, first))
    holder = await connect(urls.owner, "test")
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM own.first")
            with pytest.raises(Unavailable, match="held by other transactions"):
                await upgrade(urls.owner, "own", revise(tmp_path, first, second), wait_s=0)
    finally:
        await holder.close()


async def until_waiting(connection: Any) -> None:
    """Until somebody waits for the table."""
    asked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'own.first'::regclass"
    with anyio.fail_after(20):
        while not await connection.fetchval(asked):
            await anyio.sleep(0.005)


async def test_a_revision_that_fails_leaves_nothing_of_the_run(urls: Urls, admin: Ask, tmp_path: Path) -> None:
    with pytest.raises(DBAPIError):
        await upgrade(
            urls.owner, "own", revise(tmp_path, "CREATE TABLE own.first ()", "CREATE TABLE nowhere.second ()")
        )
    assert await admin(MADE) == [None]


@pytest.mark.parametrize(("schema", "revisions"), [("suite", SUITE_REVISIONS), *EVERY.items()])
async def test_what_was_upgraded_can_be_downgraded_and_upgraded_again(
    urls: Urls, admin: Ask, schema: str, revisions: Path
) -> None:
    await upgrade(urls.owner, schema, revisions)
    before = await admin(CATALOGUE)
    await downgrade(urls.owner, schema, revisions)
    assert [name.split()[0] for name in await admin(CATALOGUE)] == [f"{schema}.revision", f"{schema}.revision_pkc"]
    functions = f"SELECT count(*) FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace"
    assert await admin(functions) == [0]
    await upgrade(urls.owner, schema, revisions)
    assert await admin(CATALOGUE) == before


async def downgrade(owner_url: str, schema: str, revisions: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions))
    config.set_main_option("version_locations", str(revisions))
    config.set_main_option("path_separator", "newline")
    script = ScriptDirectory.from_config(config)

    def run(connection: Connection) -> None:
        def to_base(revision: Any, _context: Any) -> Any:
            return script._downgrade_revs("base", revision)  # pyright: ignore[reportPrivateUsage]

        with EnvironmentContext(config, script, fn=to_base) as environment:
            environment.configure(connection=connection, version_table_schema=schema, version_table="revision")
            environment.run_migrations()

    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def test_the_serving_role_can_change_no_table(urls: Urls) -> None:
    await migrate(urls.owner, EVERY)
    app = await connect(urls.app, "test")
    try:
        for sql in (
            "CREATE TABLE suite.mine ()",
            "DROP TABLE suite.audit",
            "CREATE SCHEMA mine",
            "CREATE TABLE mine ()",
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)):
                await app.execute(sql)
    finally:
        await app.close()


async def test_without_the_owners_url_it_says_which_setting_is_missing() -> None:
    with pytest.raises(Misconfigured, match="SUITE_DATABASE_OWNER_URL"):
        await migrate("", EVERY)


def folders() -> dict[str, Path]:
    return {"suite": SUITE_REVISIONS} | {
        server.name: server.migrations for server in servers.every() if server.migrations
    }


@pytest.mark.parametrize("schema", folders())
def test_the_newest_revision_is_the_head_alembic_sees(schema: str) -> None:
    folder = folders()[schema]
    head = ScriptDirectory(str(folder), version_locations=[str(folder)]).get_current_head()
    assert newest_revision(folder) == head


async def test_a_schema_at_its_newest_revision_is_left_alone(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded: list[str] = []

    async def note(_url: str, schema: str, _folder: Path) -> None:
        upgraded.append(schema)

    urls = await databases.fresh()
    monkeypatch.setattr("shared.state.migrate.upgrade", note)
    await migrate(urls.owner, {"customers": folders()["customers"]})
    assert upgraded == []
    await migrate(urls.owner, {"customers": folders()["customers"], "brand_new": folders()["customers"]})
    assert upgraded == ["brand_new"]
