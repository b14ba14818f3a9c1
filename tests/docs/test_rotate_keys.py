"""docs/rotate-keys.md: rings are replaced under replicas that run, as the page says; nothing is done twice, lost or
found wanting, and a key that went too early costs what the page says.
"""

import asyncio
import base64
import os
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
import redis
from pydantic import BaseModel

import servers
from shared.core.errors import Unavailable
from shared.core.issuers import Issuer, OwnClient
from shared.core.notify_settings import Notify
from shared.core.settings import Settings
from shared.core.smtp_settings import Smtp
from shared.core.upstreams import Upstream
from shared.core.vault_settings import Vault
from shared.state.database import connect
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import load_keys
from shared.state.roles import Urls
from shared.steps.audit.verify import verify
from tests.docs.fences import claimed
from tests.harness import Databases, Suite, modern, modern_headers, open_suite

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "rotate-keys.md").read_text("utf-8")
ROLE, REDIS = claimed("docs/rotate-keys.md", 2)
RINGS = tuple(name for name in Settings.model_fields if name.endswith("_keys"))
OLD, NEW = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
BEFORE, PUT_LAST, PUT_FIRST, ALONE = range(4)
"""How far a replica is, by its place: each opens what its neighbours seal."""
STEPS = ((OLD,), (OLD, NEW), (NEW, OLD), (NEW,))
NEIGHBOURS = [(BEFORE, PUT_LAST), (PUT_LAST, BEFORE), (PUT_LAST, PUT_FIRST), (PUT_FIRST, PUT_LAST), (PUT_FIRST, ALONE)]


def rings(*keys: str) -> dict[str, Any]:
    return dict.fromkeys(RINGS, " ".join(keys))


def new_customer(name: str, *, of: str) -> dict[str, Any]:
    """Of one call, by its key."""
    return {"name": name, "segment": "consumer", "country": "DE", "idempotency_key": f"rotated-{of.replace(' ', '-')}"}


class Fleet:
    """Replicas over one database, each as far as its place says."""

    def __init__(self, replicas: list[Suite], http: httpx.AsyncClient) -> None:
        self.replicas = replicas
        self.http = http
        self.token = replicas[0].token("manager")

    async def call(self, at: int, tool: str, token: str | None = None, **arguments: Any) -> dict[str, Any]:
        params = {"name": tool, "arguments": arguments}
        first = self.replicas[0].settings.base_url
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token or self.token}"}
        url = f"http://127.0.0.1:{self.replicas[at].settings.port}/customers/mcp"
        headers["Host"] = first.partition("//")[2]
        answer = (await self.http.post(url, json=modern("tools/call", params), headers=headers)).json()
        return answer["result"]["structuredContent"] if "result" in answer else {"error": answer["error"]}

    async def create(self, at: int, name: str) -> dict[str, Any]:
        return await self.call(at, "create_customer", **new_customer(name, of=name))

    async def rows(self, name: str) -> int:
        (row,) = await self.replicas[0].sql("SELECT count(*) AS n FROM customers.customers WHERE name = $1", name)
        return row["n"]


@pytest.fixture(scope="module")
async def fleet(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Fleet]:
    """The last of them serves with the second role, as the page makes it."""
    folder, urls = tmp_path_factory.mktemp("rotating"), await databases.fresh()
    await _second_role(databases.admin_url, urls)
    second = replace(urls, app=urls.app.replace(urlsplit(urls.app).netloc.partition("@")[0], "suite_app_2:old"))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_second_role, databases.admin_url, urls, gone=True)
        replicas: list[Suite] = []
        for place, keys in enumerate(STEPS):
            name = {"public_url": replicas[0].settings.base_url} if replicas else {}
            served, at = [servers.load("customers")], second if place == ALONE else urls
            opening = open_suite(at, folder, databases.admin_url, served=served, **name, **rings(*keys))
            replicas.append(await stack.enter_async_context(opening))
        yield Fleet(replicas, await stack.enter_async_context(httpx.AsyncClient(timeout=30, trust_env=False)))


async def _second_role(admin_url: str, urls: Urls, *, gone: bool = False) -> None:
    """Make it with the statements of the page, or take it away."""
    database = urls.app.rpartition("/")[2]
    making = ROLE.replace("…", "old").replace("DATABASE suite ", f"DATABASE {database} ").splitlines()
    taking = [f"REVOKE CONNECT ON DATABASE {database} FROM suite_app_2", "DROP ROLE suite_app_2"]

    async def run() -> None:
        admin = await connect(admin_url, "test")
        try:
            for statement in taking if gone else making:
                await admin.execute(statement)
        finally:
            await admin.close()

    # In a loop of its own: this one has just closed its listening sockets.
    await anyio.to_thread.run_sync(lambda: asyncio.run(run()))


@pytest.mark.parametrize(("done_at", "repeated_at"), NEIGHBOURS)
async def test_a_write_that_is_repeated_while_keys_are_replaced_is_done_once(
    fleet: Fleet, done_at: int, repeated_at: int
) -> None:
    name = f"Once {done_at}{repeated_at}"
    first = await fleet.create(done_at, name)
    assert (await fleet.create(repeated_at, name), await fleet.rows(name)) == (first, 1)
    other = await fleet.call(repeated_at, "create_customer", **new_customer("Another", of=name))
    assert other["error"]["code"] == "key_reused"


@pytest.mark.parametrize("pair", [(BEFORE, PUT_LAST), (PUT_LAST, PUT_FIRST), (PUT_FIRST, ALONE)])
async def test_twins_at_two_replicas_make_one_row_meanwhile(fleet: Fleet, pair: tuple[int, int]) -> None:
    name = f"Twin {pair[0]}{pair[1]}"
    answers: list[dict[str, Any]] = []

    async def create(at: int) -> None:
        answers.append(await fleet.create(at, name))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(create, pair[number % 2])
    made = [answer for answer in answers if "error" not in answer]
    assert {answer["error"]["code"] for answer in answers if "error" in answer} <= {"in_progress"}
    assert made
    assert all(answer == made[0] for answer in made)
    assert await fleet.rows(name) == 1


@pytest.mark.parametrize(("given_at", "used_at"), NEIGHBOURS)
async def test_a_page_position_is_taken_by_the_neighbours_of_whoever_gave_it(
    fleet: Fleet, given_at: int, used_at: int
) -> None:
    first = await fleet.call(given_at, "search_customers", query="an", limit=1)
    second = await fleet.call(used_at, "search_customers", query="an", limit=1, cursor=first["next_cursor"])
    assert second["customers"]


async def test_a_key_that_went_too_early_costs_what_the_page_says(fleet: Fleet) -> None:
    first = await fleet.call(BEFORE, "search_customers", query="an", limit=1)
    lost = await fleet.call(ALONE, "search_customers", query="an", limit=1, cursor=first["next_cursor"])
    assert lost["error"]["code"] == -32602
    await fleet.create(BEFORE, "Too Early")
    await fleet.create(ALONE, "Too Early")
    assert await fleet.rows("Too Early") == 2


async def test_the_audit_verifies_across_it_and_misses_a_key_that_is_gone(fleet: Fleet, tmp_path: Path) -> None:
    for at in range(len(STEPS)):
        await fleet.call(at, "get_customer", customer_id="C-000001")
    connection = await connect(fleet.replicas[0].urls.reader, "test")
    told: dict[tuple[str, ...], set[str]] = {}
    try:
        for keys in ((NEW, OLD), (NEW,)):
            settings = Settings(data_dir=tmp_path, **rings(*keys))
            report = await verify(connection, load_keys(settings).audit)
            told[keys] = {problem.what for problem in report.problems}
    finally:
        await connection.close()
    assert report.chains == len(STEPS)
    assert told == {(NEW, OLD): set(), (NEW,): {"key_id: not a key of the ring"}}
    assert "`key_id: not a key of the ring`" in PAGE


async def test_a_second_role_takes_the_place_of_the_first_under_row_level_security(fleet: Fleet) -> None:
    made = await fleet.create(ALONE, "By Another Role")
    asked = {"customer_id": made["customer"]["id"]}
    outsider = fleet.replicas[0].token("outsider")
    answers = [await fleet.call(ALONE, "get_customer", token=token, **asked) for token in (None, outsider)]
    assert answers[0].get("name") == "By Another Role", answers[0]
    assert answers[1]["error"]["code"] == "not_found"
    async with fleet.replicas[ALONE].parts.database.connection() as connection:
        assert await connection.fetchval("SELECT current_user") == "suite_app_2"


async def test_a_password_counts_when_a_connection_is_made_and_never_again(fleet: Fleet) -> None:
    second_role = fleet.replicas[ALONE].urls.app
    connection = await connect(second_role, "test")
    try:
        await fleet.replicas[0].sql("ALTER ROLE suite_app_2 PASSWORD 'new'")
        assert await connection.fetchval("SELECT 1") == 1
        with pytest.raises(Unavailable):
            await connect(second_role, "test")
    finally:
        await connection.close()


def redis_at(url: str) -> Any:
    return redis.Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType] - redis-py does not type its options


def test_redis_takes_two_passwords_of_a_user_and_closes_nothing_when_one_goes(redis_server: EmbeddedRedis) -> None:
    add, remove = (line.split() for line in REDIS.splitlines())
    with redis_at(redis_server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "suite", "on", ">old", "~*", "&*", "+@all")
        try:
            host = redis_server.url.partition("//")[2].rpartition("@")[2]
            old, new = (redis_at(f"redis://suite:{word}@{host}") for word in ("old", "new"))
            with old, new:
                assert old.ping()
                admin.execute_command(*[word.replace("NEW", "new") for word in add])
                assert new.ping()
                admin.execute_command(*[word.replace("OLD", "old") for word in remove])
                assert old.ping()
                assert new.ping()
            with redis_at(f"redis://suite:old@{host}") as late, pytest.raises(redis.RedisError):
                late.ping()
        finally:
            admin.execute_command("ACL", "DELUSER", "suite")


def secrets_of(model: type[BaseModel], prefix: str) -> set[str]:
    """The variables of a model that hold a secret."""
    found = {name for name, field in model.model_fields.items() if "Secret" in str(field.annotation)}
    return {f"{prefix}{name.upper()}" for name in found}


def test_every_secret_setting_has_its_row() -> None:
    own = secrets_of(Settings, "SUITE_")
    nested: set[str] = set()
    for model, prefix in (
        (Issuer, "SUITE_ISSUERS__NAME__"),
        (OwnClient, "SUITE_ISSUERS__NAME__CLIENTS__SERVER__"),
        (Upstream, "SUITE_UPSTREAMS__NAME__"),
        (Smtp, "SUITE_SMTP__"),
        (Notify, "SUITE_NOTIFY__TENANT__"),
        (Vault, "SUITE_VAULT__"),
    ):
        nested |= secrets_of(model, prefix)
    assert len(own) > 10
    assert nested
    named = set(re.findall(r"`(SUITE_\w+)`", PAGE))
    assert own | nested <= named, sorted((own | nested) - named)
