"""What was kept is there again after a restore, guarded as before, or the command says what is not."""

import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from shared.core.errors import Misconfigured, SuiteError, Unavailable
from shared.core.settings import Settings
from shared.ops.backup import restoring
from shared.ops.backup.file import Damaged, Manifest
from shared.ops.backup.programs import find_programs
from shared.ops.backup.restoring import Restored, restore
from shared.ops.backup.taking import back_up
from shared.state.database import connect
from shared.state.embedded import EmbeddedPostgres
from shared.state.roles import Passwords, Urls, ensure_roles
from tests.harness import Databases, Suite

pytestmark = pytest.mark.anyio

NEW = {"name": "Backed Up", "segment": "consumer", "country": "DE"}


@pytest.fixture(scope="module")
async def kept(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A backup that was taken while calls were being answered."""
    path = tmp_path_factory.mktemp("kept") / "suite.backup"
    made: list[Manifest] = []
    written: list[str] = []

    async def write() -> None:
        new = {**NEW, "idempotency_key": f"backed-up-{len(written)}"}
        written.append((await suite.call("manager", "create_customer", new))["customer"]["id"])

    async def back_up_meanwhile() -> None:
        made.append(await back_up(reaching(suite.settings, suite.urls.app, suite.admin_url), path))

    await write()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(back_up_meanwhile)
        while not made:
            await write()
    return path, made[0]


def reaching(settings: Settings, app_url: str, admin_url: str) -> Settings:
    values: dict[str, Any] = {"database_url": app_url, "database_admin_url": admin_url}
    return Settings(data_dir=settings.data_dir, **values)


@pytest.fixture
async def empty(postgres: EmbeddedPostgres, role_passwords: Passwords, tmp_path: Path) -> Urls:
    return await ensure_roles(
        postgres.admin_url, role_passwords, f"restored_{tmp_path.name.replace('-', '_')}"[:60].lower()
    )


@pytest.fixture
def into(suite: Suite, empty: Urls) -> Settings:
    """Another database, and the same keys."""
    return reaching(suite.settings, empty.app, suite.admin_url)


@pytest.fixture
def look(empty: Urls, postgres: EmbeddedPostgres) -> Callable[[str], Awaitable[list[Any]]]:
    url = urlsplit(postgres.admin_url)._replace(path=urlsplit(empty.app).path).geturl()

    async def ask(sql: str) -> list[Any]:
        connection = await connect(url, "test")
        try:
            return [row[0] for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return ask


async def test_a_suite_starts_on_what_was_restored_and_finds_it_all(
    kept: tuple[Path, Manifest],
    into: Settings,
    empty: Urls,
    suite: Suite,
    own_suite: Callable[..., Awaitable[Suite]],
) -> None:
    path, manifest = kept
    assert await restore(into, path) == Restored(manifest, [])
    again = await own_suite(empty, data_dir=suite.settings.data_dir)
    known = {"customer_id": "C-000001"}
    assert await again.call("manager", "get_customer", known) == await suite.call("manager", "get_customer", known)
    # One snapshot of all schemas: each customer has its claim in the ledger, and none is there without the other.
    made = await again.sql("SELECT count(*) FROM customers.customers WHERE name = 'Backed Up'")
    assert made == await again.sql("SELECT count(*) FROM suite.ledger WHERE answer IS NOT NULL")
    assert (await again.verify()).problems == []


async def test_a_file_that_was_cut_off_or_changed_is_refused_and_nothing_happens(
    kept: tuple[Path, Manifest], into: Settings, look: Callable[[str], Awaitable[list[Any]]], tmp_path: Path
) -> None:
    whole = kept[0].read_bytes()
    cut, changed, swapped, relabelled = (tmp_path / name for name in ("cut", "changed", "swapped", "relabelled"))
    cut.write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    changed.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with zipfile.ZipFile(kept[0]) as packed, zipfile.ZipFile(relabelled, "w") as other:
        for name in packed.namelist():
            other.writestr(
                name, packed.read(name).replace(b'"suite":"0008"', b'"suite":"0007"').replace(b"0.2.0", b"0.9.0")
            )
    with zipfile.ZipFile(kept[0]) as packed, zipfile.ZipFile(swapped, "w") as other:
        for name in packed.namelist():  # with checksums that fit again
            body = packed.read(name)
            other.writestr(name, body[:-1] + b"!" if name == "database.dump" else body)
    for path in (cut, changed, swapped, relabelled):
        with pytest.raises(Damaged, match=r"changed|only a part"):
            await restore(into, path)
    with pytest.raises(Misconfigured, match="no file"):
        await restore(into, tmp_path / "missing")
    assert await look("SELECT nspname FROM pg_namespace WHERE nspname = 'suite'") == []


async def test_without_the_key_it_was_made_with_it_is_restored_only_on_request(
    kept: tuple[Path, Manifest], into: Settings, tmp_path: Path
) -> None:
    others = into.model_copy(update={"data_dir": tmp_path})
    with pytest.raises(Misconfigured, match=f"audit key {kept[1].facts.audit_keys[0]}.*--unverified"):
        await restore(others, kept[0])
    assert (await restore(others, kept[0], unverified=True)).problems == []


async def test_a_database_that_has_tables_is_kept_unless_it_may_go(
    kept: tuple[Path, Manifest], into: Settings, look: Callable[[str], Awaitable[list[Any]]]
) -> None:
    await restore(into, kept[0])
    await look("DELETE FROM customers.notes RETURNING 1")
    await look("CREATE TABLE customers.extra ()")
    with pytest.raises(Misconfigured, match=r"already has customers.*--force"):
        await restore(into, kept[0])
    assert (await restore(into, kept[0], force=True)).problems == []
    assert await look("SELECT to_regclass('customers.extra')") == [None]


async def test_a_restore_that_fails_half_way_leaves_what_was_there(
    kept: tuple[Path, Manifest],
    into: Settings,
    look: Callable[[str], Awaitable[list[Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    postgres: EmbeddedPostgres,
) -> None:
    await restore(into, kept[0])
    await look("CREATE TABLE customers.extra ()")
    real = find_programs(postgres.engine.major)
    for name in ("pg_dump", "psql"):
        (tmp_path / name).symlink_to(real / name)
    dies = tmp_path / "pg_restore"
    dies.write_text(f'#!/bin/sh\n{real}/pg_restore "$@" | head -c 4000\nexit 3\n')
    dies.chmod(0o755)

    def ours(_major: int) -> Path:
        return tmp_path

    monkeypatch.setattr("shared.ops.backup.restoring.find_programs", ours)
    with pytest.raises(Unavailable, match="nothing was changed"):
        await restore(into, kept[0], force=True)
    assert await look("SELECT to_regclass('customers.extra')::text") == ["customers.extra"]


async def test_what_is_not_as_it_was_is_named(
    kept: tuple[Path, Manifest], into: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's trigger, or a release of PostgreSQL that reads a dump otherwise."""
    pour = restoring._pour  # pyright: ignore[reportPrivateUsage] - to be broken

    def spoilt(url: str, programs: Path, dump: Any, dropped: Any) -> None:
        pour(url, programs, dump, dropped)
        anyio.run(spoil, url)

    async def spoil(url: str) -> None:
        connection = await connect(url, "test")
        await connection.execute("ALTER TABLE customers.notes NO FORCE ROW LEVEL SECURITY")
        await connection.execute("GRANT DELETE ON suite.audit TO suite_app")
        await connection.execute("DELETE FROM customers.order_lines WHERE order_id = 'O-000001'")
        await connection.execute("UPDATE suite.audit SET target = 'other' WHERE kind = 'chain'")
        await connection.close()

    monkeypatch.setattr(restoring, "_pour", spoilt)
    problems = "\n".join((await restore(into, kept[0])).problems)
    assert f"customers.order_lines: {kept[1].facts.rows['customers.order_lines']} rows, and " in problems
    assert "missing: r customers.notes of suite_owner row security forced" in problems
    assert "too much: r suite.audit of suite_owner row security" in problems
    assert "target: the column differs from the signed body" in problems


async def test_a_database_in_use_is_not_restored_over(kept: tuple[Path, Manifest], suite: Suite) -> None:
    with pytest.raises(Misconfigured, match="stop every replica first"):
        await restore(reaching(suite.settings, suite.urls.app, suite.admin_url), kept[0], force=True)


async def test_whoever_sees_one_tenant_at_a_time_takes_no_backup(suite: Suite, tmp_path: Path) -> None:
    path = tmp_path / "none"
    for admin, what in ((None, "SUITE_DATABASE_ADMIN_URL is needed"), (suite.urls.owner, "BYPASSRLS")):
        settings = Settings(data_dir=suite.settings.data_dir, database_url=suite.urls.app, database_admin_url=admin)  # pyright: ignore[reportArgumentType] - pydantic reads text
        with pytest.raises(SuiteError, match=what):
            await back_up(settings, path)
    assert not path.exists()


async def test_a_backup_is_for_its_owner_alone_and_replaces_nothing(
    kept: tuple[Path, Manifest], suite: Suite, databases: Databases
) -> None:
    path, manifest = kept
    assert path.stat().st_mode & 0o777 == 0o600
    assert manifest.facts.rows["customers.customers"] >= 200
    with pytest.raises(Misconfigured, match="there already"):
        await back_up(reaching(suite.settings, suite.urls.app, suite.admin_url), path)


def test_programs_of_another_version_are_not_used() -> None:
    with pytest.raises(Misconfigured, match="postgresql-client-3"):
        find_programs(3)
