"""Jira is asked with a token that the identity provider made for it out of the caller's, never with the caller's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import servers
from compose.idp.provider import IdentityProvider
from shared.core.server import Server
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset
from tests.harness import Databases, Suite, open_suite
from tests.servers.tickets.jira.fake import FakeJira, open_jira, subject_of
from tests.servers.tickets.jira.faults import Fault
from tests.servers.tickets.jira.site import OPTIONS, QUICK, key, wish

pytestmark = pytest.mark.anyio

_there = Toolset()


class Nothing(Arguments):
    """Nothing is needed."""


class Something(Answer):
    """Nothing is told."""


@_there.read("jira:work")
async def work(call: Call, query: Nothing) -> Something:
    """Stands for what the scope is good for."""
    del call, query
    return Something()


JIRA = Server(
    name="jira", title="Jira", version="1.0.0", instructions="Known to the identity provider.", tools=_there,
    baseline=("jira:work",), policy=Path(__file__).with_name("jira.cedar"),
)  # fmt: skip


@asynccontextmanager
async def open_site(databases: Databases, folder: Path) -> AsyncGenerator[tuple[Suite, FakeJira]]:
    tickets = servers.load("tickets")
    tickets = replace(tickets, clearances=(*tickets.clearances, "jira:work"))

    def issuers(url: str) -> dict[str, Any]:
        resource = f"{url}/tickets/mcp"
        provider = IdentityProvider(f"{url}/idp", resources={resource: ()}, keys_dir=folder / "idp")
        client_id, secret = provider.resource_server(resource)
        return {"mock": {"url": f"{url}/idp", "client_id": client_id, "client_secret": secret}}

    async with open_jira(subject_of) as jira:

        def upstreams(url: str) -> dict[str, Any]:
            there = {"url": jira.url, "resource": f"{url}/jira/mcp", "scopes": ["jira:work"], "tenant": "acme"}
            return {"jira": {**there, "options": OPTIONS, **QUICK}}

        served = [tickets, JIRA]
        opened = open_suite(
            await databases.fresh(), folder, databases.admin_url, served=served, issuers=issuers, upstreams=upstreams
        )
        async with opened as suite:
            yield suite, jira


@pytest.fixture(scope="module")
async def site(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[Suite, FakeJira]]:
    async with open_site(databases, tmp_path_factory.mktemp("exchange")) as opened:
        yield opened


def token(suite: Suite, persona: str = "manager", *more: str) -> str:
    scopes = ("tickets:read", "tickets:write", "tickets:internal", *more)
    return suite.provider.mint(persona, suite.url("tickets"), scopes, sid="login-1")


async def ask(suite: Suite, bearer: str, tool: str, **arguments: Any) -> Any:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    return await suite.post(bearer, "tools/call", params, server="tickets")


async def test_jira_sees_the_person_and_a_token_made_for_it(site: tuple[Suite, FakeJira]) -> None:
    suite, jira = site
    inbound = token(suite, "manager", "jira:work")
    answer = await ask(suite, inbound, "create_ticket", **wish("In my name"))
    ticket = answer.json()["result"]["structuredContent"]["ticket"]
    creator = jira.issues.kept[ticket["id"]]["fields"]["creator"]["accountId"]
    assert creator == "acc-acme-sales-manager"
    sent = {each.headers["authorization"] for each in jira.log}
    assert f"Bearer {inbound}" not in sent
    (record,) = await suite.records(subject="acme-sales-manager", target="create_ticket", limit=1)
    assert record["acted_at"] == [suite.url("jira")]


async def test_who_was_not_granted_it_is_challenged_and_jira_is_not_asked(site: tuple[Suite, FakeJira]) -> None:
    suite, jira = site
    before = len(jira.log)
    answer = await ask(suite, token(suite), "get_ticket", ticket_id="SUP-1")
    assert answer.status_code == 403
    assert 'scope="jira:work"' in answer.headers["www-authenticate"]
    assert len(jira.log) == before


async def test_what_one_person_may_not_see_another_may(site: tuple[Suite, FakeJira]) -> None:
    suite, jira = site
    made = await ask(suite, token(suite, "manager", "jira:work"), "create_ticket", **wish("Not for support"))
    ticket_id = made.json()["result"]["structuredContent"]["ticket"]["id"]
    jira.issues.closed_to.add("acc-acme-support-agent")
    refused = await ask(suite, token(suite, "support", "jira:work"), "get_ticket", ticket_id=ticket_id)
    assert refused.json()["result"]["structuredContent"]["error"]["code"] == "not_found"
    seen = await ask(suite, token(suite, "manager", "jira:work"), "get_ticket", ticket_id=ticket_id)
    assert seen.json()["result"]["structuredContent"]["ticket"]["title"] == "Not for support"


async def test_a_token_that_is_not_accepted_any_more_is_had_anew_once(site: tuple[Suite, FakeJira]) -> None:
    suite, jira = site
    bearer = token(suite, "manager", "jira:work")
    await ask(suite, bearer, "list_my_tickets")
    jira.log.clear()
    jira.fails(Fault("unauthorized", path="myself"))
    answer = await ask(suite, bearer, "list_my_tickets")
    assert "tickets" in answer.json()["result"]["structuredContent"]
    first, second = (each.headers["authorization"] for each in jira.log[:2])
    assert first != second
    jira.fails(Fault("unauthorized", method="POST", path="/issue$", times=2))
    jira.log.clear()
    asked = wish("Refused", idempotency_key=key())
    refused = await ask(suite, bearer, "create_ticket", **asked)
    assert refused.json()["result"]["structuredContent"]["error"]["code"] == "cannot_delegate"
    assert [each.applied for each in jira.writes] == [False, False]
    done = await ask(suite, bearer, "create_ticket", **asked)
    assert done.json()["result"]["structuredContent"]["ticket"]["title"] == "Refused"
    assert orjson.dumps(jira.writes[-1].body).count(b"mcp-suite-") == 1
