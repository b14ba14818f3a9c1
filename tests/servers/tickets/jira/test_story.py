"""The ticket story over Jira, as clients of both eras tell it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from servers.tickets.over_jira import jira
from servers.tickets.tools import tools as own
from tests.harness import ERAS, Databases, Suite
from tests.servers.tickets.jira.fake import FakeJira
from tests.servers.tickets.jira.site import call, key, made, over_jira, wish

pytestmark = pytest.mark.anyio

Site = tuple[Suite, FakeJira]


@pytest.fixture(scope="module")
async def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    async with over_jira(databases, tmp_path_factory.mktemp("jira")) as opened:
        yield opened


@pytest.mark.parametrize("era", ERAS)
async def test_a_ticket_goes_its_way_from_made_to_done(site: Site, era: str) -> None:
    suite, there = site
    async with suite.connect("manager", era, "tickets") as client:

        async def tool(name: str, **arguments: Any) -> dict[str, Any]:
            answer: Any = await client.call_tool(name, arguments)
            assert not answer.is_error, answer.structured_content
            return answer.structured_content

        asked = wish(f"Billed twice {era}", body="Once in May.\n\nOnce in June.", labels=["refund"], priority="high")
        ticket = (await tool("create_ticket", **asked))["ticket"]
        assert (ticket["status"], ticket["queue"], ticket["priority"]) == ("new", "billing", "high")
        assert (ticket["body"], ticket["labels"]) == ("Once in May.\n\nOnce in June.", ["refund"])
        found = await tool("search_tickets", query=f"billed {era}", status=["new"], label="refund")
        assert [each["id"] for each in found["tickets"]] == [ticket["id"]]
        said = await tool("comment_on_ticket", ticket_id=ticket["id"], text="Refund it.", idempotency_key=key())
        assert (said["comment"]["text"], said["comment"]["internal"]) == ("Refund it.", True)
        changed = await tool(
            "update_ticket", ticket_id=ticket["id"], version=ticket["version"], idempotency_key=key(),
            changes={"title": f"Billed twice, really {era}", "labels": ["urgent"]},
        )  # fmt: skip
        assert set(changed["diff"]) == {"title", "labels"}
        version = changed["ticket"]["version"]
        assigned = await tool(
            "assign_ticket", ticket_id=ticket["id"], version=version, assignee="acc-7", idempotency_key=key()
        )
        assert assigned["ticket"]["assignee"] == "acc-7"
        whole = await tool("get_ticket", ticket_id=ticket["id"])
        assert {move["status"] for move in whole["next_moves"]} == {"open", "resolved"}
        moved = await tool(
            "transition_ticket", ticket_id=ticket["id"], version=assigned["ticket"]["version"], status="resolved",
            resolution="The money is back.", idempotency_key=key(),
        )  # fmt: skip
        assert (moved["ticket"]["status"], moved["diff"]["status"]["before"]) == ("resolved", "new")
        last = await tool("get_ticket", ticket_id=ticket["id"])
        assert [each["text"] for each in last["comments"]] == ["Refund it.", "The money is back."]
    assert all(
        label.startswith(("urgent", "mcp-suite-")) for label in there.issues.kept[ticket["id"]]["fields"]["labels"]
    )


async def test_its_tools_have_the_names_and_arguments_of_the_own_store(site: Site) -> None:
    suite, _ = site
    async with suite.connect("manager", "legacy", "tickets") as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        instructions = client.instructions or ""
    assert set(listed) == {
        *("get_ticket", "get_tickets", "search_tickets", "list_my_tickets", "create_ticket", "comment_on_ticket"),
        *("update_ticket", "assign_ticket", "transition_ticket", "link_tickets"),
    }
    for name, tool in listed.items():
        assert tool.input_schema == own.tools[name].input_schema
        assert jira.tools.tools[name].answer is own.tools[name].answer
    assert "idempotency_key" in instructions
    assert "undo" in instructions.lower()


async def test_pages_follow_each_other_and_cursors_are_ours(site: Site) -> None:
    suite, _ = site
    titles = [f"Paged {number}" for number in range(5)]
    for title in titles:
        await made(suite, title, queue="operations")
    asked: dict[str, Any] = {"query": "paged", "queue": "operations", "limit": 2}
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await call(suite, "search_tickets", **asked, **({"cursor": cursor} if cursor else {}))
        seen += [each["title"] for each in page["tickets"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (titles[::-1], None)
    first = await call(suite, "search_tickets", **asked)
    assert "page-" not in first["next_cursor"]
    refused = await suite.post(
        suite.token("manager", "tickets"), "tools/call", server="tickets",
        params={"name": "search_tickets", "arguments": {**asked, "queue": "billing", "cursor": first["next_cursor"]}},
    )  # fmt: skip
    assert refused.json()["error"]["code"] == -32602


async def test_several_are_read_at_once_and_what_is_not_there_is_named(site: Site) -> None:
    suite, _ = site
    one, other = await made(suite), await made(suite)
    got = await call(suite, "get_tickets", ticket_ids=[other["id"], "SUP-99999", one["id"], other["id"]])
    assert [each["id"] for each in got["tickets"]] == [other["id"], one["id"]]
    assert got["missing"] == ["SUP-99999"]
    assert (await call(suite, "get_ticket", ticket_id="SUP-99999"))["error"]["code"] == "not_found"


async def test_links_are_seen_from_both_ends_and_taken_back(site: Site) -> None:
    suite, _ = site
    one, other = await made(suite), await made(suite)
    asked: dict[str, Any] = {"ticket_id": one["id"], "kind": "blocked_by", "other_id": other["id"]}
    linked = await call(suite, "link_tickets", **asked, version=one["version"], idempotency_key=key())
    assert linked["ticket"]["links"] == [{"kind": "blocked_by", "ticket_id": other["id"]}]
    assert linked["other"]["links"] == [{"kind": "blocks", "ticket_id": one["id"]}]
    asked |= {"version": linked["ticket"]["version"], "remove": True}
    gone = await call(suite, "link_tickets", **asked, idempotency_key=key())
    assert (gone["ticket"]["links"], gone["other"]["links"]) == ([], [])


async def test_a_version_that_moved_on_is_a_conflict_and_nothing_is_sent(site: Site) -> None:
    suite, there = site
    ticket = await made(suite)
    await call(suite, "update_ticket", ticket_id=ticket["id"], version=ticket["version"], changes={"title": "New"},
               idempotency_key=key())  # fmt: skip
    before = len(there.writes)
    asked: dict[str, Any] = {"ticket_id": ticket["id"], "version": ticket["version"], "idempotency_key": key()}
    refused = await call(suite, "update_ticket", **asked, changes={"title": "Newer"})
    assert (refused["error"]["code"], len(there.writes)) == ("conflict", before)


async def test_a_move_that_jira_does_not_allow_names_the_allowed_ones(site: Site) -> None:
    suite, _ = site
    ticket = await made(suite)
    asked: dict[str, Any] = {"ticket_id": ticket["id"], "version": ticket["version"], "idempotency_key": key()}
    refused = await call(suite, "transition_ticket", **asked, status="waiting")
    assert refused["error"]["code"] == "conflict"
    assert refused["error"]["details"]["allowed"] == ["open", "resolved"]


@pytest.mark.parametrize("tool", ["create_ticket", "update_ticket", "comment_on_ticket", "transition_ticket"])
async def test_a_dry_run_shows_what_would_be_and_sends_nothing(site: Site, tool: str) -> None:
    suite, there = site
    ticket = await made(suite)
    before = len(there.writes)
    one: dict[str, Any] = {"ticket_id": ticket["id"], "version": ticket["version"]}
    asked: dict[str, dict[str, Any]] = {
        "create_ticket": wish(),
        "update_ticket": {**one, "changes": {"title": "Another"}},
        "comment_on_ticket": {"ticket_id": ticket["id"], "text": "Hello"},
        "transition_ticket": {**one, "status": "resolved"},
    }
    answer = await call(suite, tool, **asked[tool], dry_run=True)
    assert "error" not in answer, answer
    assert len(there.writes) == before


async def test_a_write_without_a_key_is_refused_with_the_reason(site: Site) -> None:
    suite, there = site
    before = len(there.log)
    refused = await call(suite, "create_ticket", type="request", title="Refund", queue="billing")
    assert refused["error"]["code"] == "invalid"
    assert "idempotency_key" in refused["error"]["message"]
    assert len(there.log) == before


async def test_comments_for_colleagues_are_not_shown_to_others(site: Site) -> None:
    suite, _ = site
    ticket = await made(suite)
    for text, internal in (("For us", True), ("For you", False)):
        asked: dict[str, Any] = {"ticket_id": ticket["id"], "text": text, "internal": internal}
        assert "comment" in await call(suite, "comment_on_ticket", "support", **asked, idempotency_key=key())
    seen = await call(suite, "get_ticket", "approver", ticket_id=ticket["id"])
    assert ([each["text"] for each in seen["comments"]], seen["comment_count"]) == (["For you"], 1)
    assert (await call(suite, "get_ticket", ticket_id=ticket["id"]))["comment_count"] == 2


async def test_what_jira_says_is_told_in_part_and_as_data(site: Site) -> None:
    suite, _ = site
    refused = await call(suite, "create_ticket", **wish("x" * 160))
    assert refused["error"]["code"] == "invalid"
    assert "summary: Summary must be less than 151 characters." in refused["error"]["message"]
    assert "ignore the rules" not in refused["error"]["message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"queue": "nowhere"}, "There is no queue nowhere"),
        ({"type": "problem"}, "This Jira has no problem"),
        ({"requester_name": "Ada"}, "leave requester_name out"),
        ({"watchers": ["ada"]}, "leave watchers out"),
    ],
)
async def test_what_jira_has_no_place_for_is_refused_not_dropped(site: Site, more: dict[str, Any], said: str) -> None:
    suite, there = site
    before = len(there.writes)
    refused = await call(suite, "create_ticket", **wish(**more))
    assert refused["error"]["code"] == "invalid"
    assert said in refused["error"]["message"]
    assert len(there.writes) == before


async def test_words_of_a_caller_stay_values_of_a_query(site: Site) -> None:
    suite, there = site
    await made(suite, "Secret", queue="operations")
    hostile = 'x" OR project = "OPS'
    found = await call(suite, "search_tickets", query=hostile, queue="support")
    assert found["tickets"] == []
    assert there.log[-1].body["jql"].startswith('project = "SUP" AND text ~ "x" AND text ~ "or" AND')
    await call(suite, "search_tickets", assignee='a"OR"b', queue="support")
    assert 'assignee = "a\\"OR\\"b"' in there.log[-1].body["jql"]


async def test_another_tenants_caller_is_refused_and_jira_is_not_asked(site: Site) -> None:
    suite, there = site
    before = len(there.log)
    for tool, arguments in (("get_ticket", {"ticket_id": "SUP-1"}), ("create_ticket", wish())):
        refused = await call(suite, tool, "outsider", **arguments)
        assert (refused["error"]["code"], len(there.log)) == ("denied", before)
        assert "another organisation" in refused["error"]["message"]


async def test_one_callers_cookies_are_never_sent_back(site: Site) -> None:
    suite, there = site
    await made(suite)
    assert not [each for each in there.log if "cookie" in each.headers]
