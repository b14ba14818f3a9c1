import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import anyio
import asyncpg
import pytest

from shared.core.errors import Misconfigured
from shared.state import engines
from shared.state.embedded import EmbeddedPostgres, embedded_postgres
from shared.state.engines import Source
from shared.state.roles import Passwords, Urls, embedded_urls, ensure_roles

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Managed:
    """A server whose administrator is not a superuser, as cloud providers give it."""

    superuser: EmbeddedPostgres
    admin_url: str
    passwords: Passwords
    home: Path


@pytest.fixture(scope="module", params=["system", "wheel"])
def managed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Managed]:
    source = cast("Source", request.param)
    try:
        engines.find_postgres(source)
    except Misconfigured:
        pytest.skip(f"no PostgreSQL from {source} on this machine")
    home = tmp_path_factory.mktemp("managed")
    with embedded_postgres(home, source=source, durable=False) as server:
        host = server.admin_url.rpartition("@")[2]
        url = f"postgresql://it%27s%20%22the%22%20admin:p%40ss%2Fword@{host}"
        yield Managed(server, url, Passwords.random(), home)


@pytest.fixture(scope="module")
async def urls(managed: Managed, anyio_backend: str) -> Urls:
    async with connected(managed.superuser.admin_url) as superuser:
        await superuser.execute(
            'CREATE ROLE "it\'s ""the"" admin" LOGIN CREATEROLE CREATEDB NOSUPERUSER PASSWORD \'p@ss/word\''
        )
    return await ensure_roles(managed.admin_url, managed.passwords)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Any]:
    connection = cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]
    try:
        yield connection
    finally:
        await connection.close()


async def ask(url: str, sql: str, *values: object) -> Any:
    async with connected(url) as connection:
        return await connection.fetchval(sql, *values)


async def test_an_ordinary_administrator_can_make_them_and_each_logs_in(managed: Managed, urls: Urls) -> None:
    assert not await ask(managed.admin_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    for name in ("owner", "app", "reader", "operator"):
        url, role = getattr(urls, name), f"suite_{name}"
        assert await ask(url, "SELECT current_user || ' ' || current_database()") == f"{role} suite"


async def test_they_may_be_made_again_and_again_and_at_the_same_time(managed: Managed, urls: Urls) -> None:
    again = await asyncio.gather(*(ensure_roles(managed.admin_url, managed.passwords) for _ in range(4)))
    assert again == [urls] * 4
    assert await ask(urls.app, "SELECT true")


async def test_databases_share_the_roles_and_odd_names_are_quoted(managed: Managed, urls: Urls) -> None:
    name = "te\"st's %I/ü"
    other = await ensure_roles(managed.admin_url, managed.passwords, name)
    assert await ask(other.app, "SELECT current_database()") == name
    assert await ask(urls.app, "SELECT current_database()") == "suite"


async def test_new_passwords_replace_the_old(managed: Managed, urls: Urls) -> None:
    changed = await ensure_roles(managed.admin_url, Passwords("o'wner\\%L", "a:b@c/d", "r e a d"))
    assert await ask(changed.owner, "SELECT true")
    assert await ask(changed.app, "SELECT true")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(urls.app, "SELECT true")
    assert await ensure_roles(managed.admin_url, managed.passwords) == urls


async def test_no_password_reaches_the_servers_log(managed: Managed, urls: Urls) -> None:
    async with connected(managed.superuser.admin_url) as superuser:
        await superuser.execute("ALTER SYSTEM SET log_statement = 'all'")
        await superuser.execute("SELECT pg_reload_conf()")
        with anyio.fail_after(10):
            while await ask(managed.admin_url, "SHOW log_statement") != "all":
                pass
    await ensure_roles(managed.admin_url, managed.passwords)
    log = (managed.home / "postgres.log").read_text()
    assert "ALTER ROLE suite_app" in log
    assert managed.passwords.app not in log


async def test_an_operator_without_a_password_is_made_and_keeps_the_one_it_has(managed: Managed, urls: Urls) -> None:
    without = await ensure_roles(managed.admin_url, replace(managed.passwords, operator=None))
    assert without == replace(urls, operator="")
    assert await ask(urls.operator, "SELECT current_user") == "suite_operator"


async def test_an_installation_older_than_the_operator_gets_one(tmp_path: Path) -> None:
    older = asdict(Passwords.random())
    del older["operator"]
    draft = tmp_path / "roles.json"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(older))
    with embedded_postgres(tmp_path, durable=False) as server:
        first = await embedded_urls(server, tmp_path)
        assert await embedded_urls(server, tmp_path) == first
        assert await ask(first.operator, "SELECT current_user") == "suite_operator"
        assert older["app"] in first.app
    assert (tmp_path / "operator.txt").stat().st_mode & 0o777 == 0o600


async def test_only_ours_may_connect(managed: Managed, urls: Urls) -> None:
    async with connected(managed.superuser.admin_url) as superuser:
        await superuser.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        host = urls.app.rpartition("@")[2]
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await ask(f"postgresql://stranger:x@{host}", "SELECT 1")
        await superuser.execute("DROP ROLE stranger")


async def test_the_application_owns_nothing_makes_nothing_and_is_bound_by_row_level_security(
    managed: Managed, urls: Urls
) -> None:
    async with connected(urls.app) as app:
        rights = await app.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        assert not any(rights[f"rol{right}"] for right in ("super", "bypassrls", "createrole", "createdb"))
        for forbidden in (
            "CREATE TABLE public.t ()",
            "CREATE SCHEMA s",
            "CREATE TEMPORARY TABLE t ()",
            "SET ROLE suite_owner",
            "SET ROLE suite_search",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(forbidden)


async def test_search_functions_run_as_a_role_that_cannot_log_in_and_is_bound_by_its_own_policy(
    managed: Managed, urls: Urls
) -> None:
    async with connected(urls.owner) as owner:
        await owner.execute("""
            CREATE SCHEMA shop;
            GRANT USAGE, CREATE ON SCHEMA shop TO suite_search;
            GRANT USAGE ON SCHEMA shop TO suite_app;
            CREATE TABLE shop.customers AS SELECT * FROM (VALUES ('a', 1), ('b', 2)) AS rows (tenant, number);
            ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            GRANT SELECT ON shop.customers TO suite_search;
            CREATE POLICY mine ON shop.customers TO suite_search USING (tenant = 'a');
            CREATE FUNCTION shop.search() RETURNS text LANGUAGE sql SECURITY DEFINER
                SET search_path = shop, pg_temp
                AS $$ SELECT current_user || string_agg(tenant, ',') FROM customers $$;
            ALTER FUNCTION shop.search() OWNER TO suite_search;
            """)
    assert await ask(urls.app, "SELECT shop.search()") == "suite_searcha"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(urls.app, "SELECT count(*) FROM shop.customers")
    assert not await ask(urls.app, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'suite_search'")


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        ("ALTER ROLE suite_app BYPASSRLS", "ALTER ROLE suite_app NOBYPASSRLS"),
        ("ALTER ROLE suite_search LOGIN", "ALTER ROLE suite_search NOLOGIN"),
        ("GRANT suite_owner TO suite_app", "REVOKE suite_owner FROM suite_app"),
        ("GRANT suite_owner TO suite_operator", "REVOKE suite_owner FROM suite_operator"),
        ("GRANT suite_search TO suite_reader", "REVOKE suite_search FROM suite_reader"),
    ],
)
async def test_a_role_that_could_step_around_row_level_security_is_refused(
    managed: Managed, urls: Urls, break_it: str, mend_it: str
) -> None:
    async with connected(managed.superuser.admin_url) as superuser:
        await superuser.execute(break_it)
        with pytest.raises(Misconfigured, match="row-level security"):
            await ensure_roles(managed.superuser.admin_url, managed.passwords)
        await superuser.execute(mend_it)


async def test_a_database_of_somebody_else_is_refused(managed: Managed, urls: Urls) -> None:
    with pytest.raises(Misconfigured, match="ALTER DATABASE postgres OWNER TO suite_owner"):
        await ensure_roles(managed.admin_url, managed.passwords, "postgres")


async def test_an_administrator_without_the_rights_is_told_which(managed: Managed, urls: Urls) -> None:
    with pytest.raises(Misconfigured, match="needs CREATEROLE and CREATEDB"):
        await ensure_roles(urls.reader, managed.passwords)


async def test_on_an_embedded_server_passwords_are_kept_in_a_private_file(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False) as server:
        first = await embedded_urls(server, tmp_path)
        assert await embedded_urls(server, tmp_path) == first
        assert await ask(first.reader, "SELECT current_user") == "suite_reader"
        assert (tmp_path / "roles.json").stat().st_mode & 0o777 == 0o600
        assert "postgresql:" not in repr(first)
    (tmp_path / "roles.json").chmod(0o640)
    with embedded_postgres(tmp_path, durable=False) as server, pytest.raises(Misconfigured, match="chmod 600"):
        await embedded_urls(server, tmp_path)
