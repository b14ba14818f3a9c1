"""The clients of the TypeScript SDKs make the journey: over HTTP from no token at all, and over stdio."""

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from compose.idp.personas import PERSONAS
from tests.clients import journey
from tests.clients.local import Local
from tests.clients.node import npm
from tests.clients.processes import processes_of
from tests.clients.wire import COMMAND
from tests.e2e import test_stdio
from tests.e2e.test_journey import Journey, challenge, claims, form, query_of
from tests.harness import LEGACY, MODERN, Databases, Suite

FOLDER = Path(npm.__file__).parent
CLIENTS = [("sdk", "legacy"), ("client", "legacy"), ("client", "modern")]
VERSIONS = {"sdk": "1.32.2", "client": "2.4.0"}
REVISIONS = {"legacy": LEGACY, "modern": MODERN}

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("packages")]


@pytest.fixture(scope="module")
def packages() -> None:
    npm.installed(FOLDER)


@pytest.fixture(scope="module", params=CLIENTS, ids="-".join)
async def made(packages: None, suite: Suite, request: pytest.FixtureRequest) -> Journey:
    library, era = request.param
    name = f"Journey-{uuid4().hex}"
    (row,) = await suite.sql("SELECT id, name FROM customers.customers WHERE tenant_id = 'acme' ORDER BY id LIMIT 1")
    seen = await run(library, era, name, row["name"], "--http", suite.url(), "manager")
    assert (seen["sdk"], seen["protocol"]) == (VERSIONS[library], REVISIONS[era])
    return Journey(name, dict(row), seen["protocol"], seen, seen["asked"], seen["trace"])


async def run(*words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The summary of one journey; what stopped it fails here, with its stack."""
    code, told, errors = await npm.node(FOLDER / "journey.mjs", *words, env=env, within_s=60)
    assert code == 0, errors
    return json.loads(told)


async def test_every_step_is_answered_as_it_should_be(made: Journey, suite: Suite) -> None:
    async with suite.connect("support") as reader:  # who holds the one scope the journey begins with
        listed = {tool.name for tool in (await reader.list_tools()).tools}
    journey.judge(made.seen, made.name, made.known, tools=listed)


async def test_the_challenge_leads_to_metadata_registration_and_a_token(made: Journey, suite: Suite) -> None:
    refused, resource, provider, registration, token, answered = made.trace[:6]
    assert (refused["url"], refused["status"]) == (suite.url(), 401)
    assert resource["url"] == challenge(refused)["resource_metadata"]
    (issuer,) = json.loads(resource["answer"])["authorization_servers"]
    told = json.loads(provider["answer"])
    assert told["issuer"] == issuer
    assert (registration["url"], registration["status"]) == (told["registration_endpoint"], 201)
    assert made.asked[0].partition("?")[0] == told["authorization_endpoint"]
    assert made.client_id == json.loads(registration["answer"])["client_id"]
    assert (token["url"], token["status"]) == (told["token_endpoint"], 200)
    assert (answered["url"], answered["status"]) == (suite.url(), 200)


async def test_the_code_is_proved_with_pkce_and_the_token_is_for_this_server(made: Journey, suite: Suite) -> None:
    asked, exchanged = query_of(made.asked[0]), form(made.trace[4]["sent"])
    assert asked["resource"] == exchanged["resource"] == suite.url()
    assert (asked["scope"], asked["code_challenge_method"]) == ("customers:read", "S256")
    digest = hashlib.sha256(exchanged["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    found = claims(made.trace[4])
    assert (found["aud"], found["client_id"], found["scope"]) == (suite.url(), made.client_id, "customers:read")
    assert (found["sub"], found["tenant"]) == (PERSONAS["manager"].subject, "acme")


async def test_a_write_with_a_reading_token_leads_to_a_second_sign_in_and_then_succeeds(made: Journey) -> None:
    place = made.challenged()
    refused, token, answered = made.trace[place : place + 3]
    told = challenge(refused)
    assert (told["error"], told["scope"]) == ("insufficient_scope", "customers:write")
    assert len(made.asked) == 2
    assert "customers:write" in query_of(made.asked[1])["scope"].split()
    assert (claims(token)["client_id"], answered["status"]) == (made.client_id, 200)
    assert "customers:write" in claims(token)["scope"].split()


async def test_two_calls_with_one_key_made_one_row_and_the_stale_update_none(made: Journey, suite: Suite) -> None:
    rows = await suite.sql("SELECT id, city, version FROM customers.customers WHERE name = $1", made.name)
    assert [tuple(row) for row in rows] == [(made.seen["created"]["customer"]["id"], "Köln", 2)]


async def test_each_step_has_its_audit_record_with_person_client_and_era(made: Journey, suite: Suite) -> None:
    records = [record for record in await suite.records() if record.get("client") == made.client_id][::-1]
    assert {(r["subject"], r["tenant"], r["era"], r["transport"]) for r in records} == {
        (PERSONAS["manager"].subject, "acme", made.era, "http")
    }
    sessions = [record for record in records if record["target_kind"] == "session"]
    assert {(r["target"], r["outcome"]) for r in sessions} == (
        {("initialize", "ok"), ("stream", "ok")} if made.era == LEGACY else set()
    )
    assert len({record["session"] for record in sessions}) == (made.era == LEGACY)
    others = [record for record in records if record["target_kind"] not in {"list", "session"}]
    ended = [(r["target"], r["outcome"]) for r in others if "outcome" in r]
    assert ended == [
        ("search_customers", "ok"),
        ("get_customer", "ok"),
        ("create_customer", "forbidden"),
        ("create_customer", "ok"),
        ("create_customer", "ok"),
        ("update_customer", "ok"),
        ("update_customer", "conflict"),
        (made.seen["resource"]["uri"], "ok"),
    ]
    assert [r["replayed"] for r in records if r["target"] == "create_customer" and "replayed" in r] == [False, True]
    assert (await suite.verify()).problems == []


@pytest.fixture
async def local(databases: Databases, tmp_path: Path) -> Local:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Local(await databases.fresh(), folder)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left")
@pytest.mark.parametrize(("library", "era"), CLIENTS)
async def test_over_stdio_they_make_it_too_and_leave_no_process(local: Local, library: str, era: str) -> None:
    name, there = f"Journey-{uuid4().hex}", await test_stdio.known(local)
    seen = await run(library, era, name, there["name"], "--stdio", *COMMAND, env=local.env)
    assert seen["sdk"] == VERSIONS[library]
    await test_stdio.judge(local, seen, name, there, REVISIONS[era])
    assert processes_of(local.folder) == {}
