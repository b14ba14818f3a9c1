"""A tool asks another server of ours over MCP, in its caller's name: both in one process, over loopback HTTP."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

import servers
from tests.asking.server import server as mail
from tests.harness import Databases, Suite, open_suite

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
async def suite(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    """Our servers, and one that asks them, as `make up` has them: nothing is set of who is which client."""
    urls = await databases.fresh()
    served = [mail, *(servers.load(name) for name in ("customers", "documents", "tickets"))]
    folder = tmp_path_factory.mktemp("peers")
    async with open_suite(urls, folder, databases.admin_url, served=served) as opened:
        yield opened


async def resolve(suite: Suite, persona: str, *ids: str, **claims: Any) -> dict[str, Any]:
    return await suite.call(persona, "resolve", {"customer_ids": list(ids)}, "mail", **claims)


async def some_ids(suite: Suite, where: str, most: int = 3) -> list[str]:
    statement = f"SELECT id FROM customers.customers WHERE tenant_id = 'acme' AND {where} ORDER BY id LIMIT {most}"
    return [row["id"] for row in await suite.sql(statement)]


async def test_the_mail_server_is_given_addresses_that_its_caller_never_sees(suite: Suite) -> None:
    ids = await some_ids(suite, "email IS NOT NULL AND status <> 'archived' AND merged_into IS NULL")
    answer = await resolve(suite, "support", *ids)
    assert [line.split()[0] for line in answer["contacts"]] == ids, answer
    assert all("@" in line and "*" not in line for line in answer["contacts"])
    masked = await suite.call("support", "get_customer", {"customer_id": ids[0]})
    assert masked["email"] not in answer["contacts"][0]
    assert "*" in masked["email"]


async def test_customers_who_cannot_be_written_to_are_told_one_by_one(suite: Suite) -> None:
    (archived,) = await some_ids(suite, "status = 'archived' AND merged_into IS NULL", 1)
    (there, twin, *_) = await some_ids(suite, "email IS NOT NULL AND status = 'active' AND merged_into IS NULL", 2)
    (silent,) = await some_ids(suite, f"status = 'active' AND id NOT IN ('{there}', '{twin}')", 1)
    await suite.sql("UPDATE customers.customers SET email = NULL WHERE id = $1 AND tenant_id = 'acme'", silent)
    merged = "UPDATE customers.customers SET merged_into = $2, status = 'archived' WHERE id = $1 AND tenant_id = 'acme'"
    await suite.sql(merged, twin, there)
    answer = await resolve(suite, "manager", archived, there, "C-ZZZZZZ", twin, there, silent)
    assert [line.split()[0] for line in answer["contacts"]] == [there]
    assert answer["missing"] == [
        {"id": archived, "why": "archived", "merged_into": None},
        {"id": "C-ZZZZZZ", "why": "unknown", "merged_into": None},
        {"id": twin, "why": "merged", "merged_into": there},
        {"id": silent, "why": "no_email", "merged_into": None},
    ]


async def test_both_audits_tell_of_the_call_and_join(suite: Suite) -> None:
    token = suite.token("admin", "mail")
    params: dict[str, Any] = {
        "name": "resolve",
        "arguments": {"customer_ids": ["C-ZZZZZ9"]},
        "_meta": {"traceparent": f"00-{TRACE}-b7ad6b7169203331-00"},
    }
    answered = await suite.post(token, "tools/call", params, server="mail")
    assert answered.status_code == 200, answered.text
    client, _ = suite.provider.resource_server(suite.url("mail"))
    (first,) = await suite.records(target="resolve", subject="acme-admin")
    (second,) = await suite.records(target="resolve_contacts", subject="acme-admin")
    assert (first["trust"], first["actors"], first["acted_at"]) == ("person", [], [suite.url("customers")])
    assert (second["trust"], second["actors"], second["client"]) == ("delegated", [client], client)
    assert first["trace_id"] == second["trace_id"] == TRACE
    assert second["agent"] == f"mcp-suite-mail ({first['request_id']})"


@pytest.mark.parametrize("persona", ["support", "manager", "approver", "auditor", "admin", "outsider", "acme-triage"])
async def test_nobody_else_is_even_told_of_the_tool(suite: Suite, persona: str) -> None:
    every = ("customers:read", "customers:contact", "customers:pii", "customers:admin")
    for actor in (None, "acme-triage", "resource-0123456789abcdef"):
        act = {"sub": actor} if actor else None  # a claim that is None is left out
        token = suite.provider.mint(persona, suite.url("customers"), every, act=act)
        listed = (await suite.post(token, "tools/list", {})).json()["result"]["tools"]
        assert listed
        assert "resolve_contacts" not in {tool["name"] for tool in listed}
        params = {"name": "resolve_contacts", "arguments": {"customer_ids": ["C-000001"]}}
        refused = (await suite.post(token, "tools/call", params)).json()["error"]
        assert refused["message"] == "Unknown tool: resolve_contacts"


async def test_another_server_of_ours_is_not_the_mail_server(suite: Suite) -> None:
    other, _ = suite.provider.resource_server(suite.url("tickets"))
    scopes = ("customers:read", "customers:contact")
    token = suite.provider.mint("admin", suite.url("customers"), scopes, client_id=other, act={"sub": other})
    listed = (await suite.post(token, "tools/list", {})).json()["result"]["tools"]
    assert "resolve_contacts" not in {tool["name"] for tool in listed}


async def test_a_chain_counts_by_who_acts_now(suite: Suite) -> None:
    ours, _ = suite.provider.resource_server(suite.url("mail"))
    scopes = ("customers:read", "customers:contact")
    for chain, told in (
        ({"sub": ours, "act": {"sub": "acme-triage"}}, True),
        ({"sub": "acme-triage", "act": {"sub": ours}}, False),
    ):
        token = suite.provider.mint("admin", suite.url("customers"), scopes, client_id=ours, act=chain)
        listed = (await suite.post(token, "tools/list", {})).json()["result"]["tools"]
        assert ("resolve_contacts" in {tool["name"] for tool in listed}) is told


async def test_a_scope_the_token_lacks_is_challenged_by_the_server_that_was_called(suite: Suite) -> None:
    token = suite.provider.mint("support", suite.url("mail"), ("mail:read",))
    params = {"name": "resolve", "arguments": {"customer_ids": ["C-000001"]}}
    answer = await suite.post(token, "tools/call", params, server="mail")
    assert answer.status_code == 403
    assert 'scope="customers:contact"' in answer.headers["www-authenticate"]


async def test_a_scope_that_policy_over_there_does_not_let_hold_is_no_reason_to_ask_again(suite: Suite) -> None:
    token = suite.provider.mint("auditor", suite.url("mail"), ("mail:read", "customers:contact"))
    params = {"name": "resolve", "arguments": {"customer_ids": ["C-000001"]}}
    answer = await suite.post(token, "tools/call", params, server="mail")
    failure = answer.json()["result"]["structuredContent"]["error"]
    assert (failure["code"], "Customers" in failure["message"]) == ("denied", True)


async def test_failures_of_the_other_server_come_back_typed_and_say_whose_they_are(suite: Suite) -> None:
    missing = {"server": "customers", "tool": "get_customer", "arguments": {"customer_id": "C-ZZZZZ8"}}
    failure = (await suite.call("manager", "ask", missing, "mail"))["error"]
    assert failure["code"] == "not_found"
    assert failure["message"].startswith("Customers says: «")
    wrong = {"server": "customers", "tool": "get_customer", "arguments": {"customer_id": "?"}}
    assert (await suite.call("manager", "ask", wrong, "mail"))["error"]["code"] == "invalid"
    stale = {"server": "tickets", "tool": "update_ticket", "arguments": {"ticket_id": "T-ZZZZZZ", "version": 1}}
    assert (await suite.call("manager", "ask", stale, "mail"))["error"]["code"] in {"invalid", "not_found"}


async def test_the_callers_own_token_is_refused_over_there(suite: Suite) -> None:
    token = suite.token("support", "mail")
    params = {"name": "resolve_contacts", "arguments": {"customer_ids": ["C-000001"]}}
    answer = await suite.post(token, "tools/call", params)
    assert answer.status_code == 401
    assert "for another resource" in answer.headers["www-authenticate"]


async def test_a_document_comes_whole_with_what_is_known_of_it(suite: Suite) -> None:
    body = "# Plan\n\n" + "Nobody may know this yet. " * 9000
    uri = "doc://handbook/plans/merger.md"
    put = {"uri": uri, "title": "Plan", "content": body, "classification": "confidential"}
    assert "error" not in await suite.call("admin", "put_document", put, "documents")
    token = suite.provider.mint("admin", suite.url("mail"), ("mail:read", "documents:confidential"))
    params: dict[str, Any] = {"name": "attach", "arguments": {"uri": uri}}
    read = (await suite.post(token, "tools/call", params, server="mail")).json()["result"]["structuredContent"]
    assert (read["size"], read["begins"][:6]) == (len(body), "# Plan"), read
    assert read["facts"]["classification"] == "confidential"
    assert read["facts"]["title"] == "Plan"
    assert read["labels"] == read["of_the_call"] == ["confidential", "untrusted"]
    hidden = await suite.call("support", "attach", {"uri": uri}, "mail")
    assert hidden["error"]["code"] == "not_found"
    assert hidden["error"]["message"].startswith("Documents has no such resource")
