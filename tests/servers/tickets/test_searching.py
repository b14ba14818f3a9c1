"""Finding: filters in combination against a plain reading of all rows, words, cursors, ids, and whose they are."""

import random
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest

from servers.tickets.workflow import UNFINISHED, Status
from tests.harness import Suite
from tests.servers.tickets.desk import Desk

pytestmark = pytest.mark.anyio

Row = Mapping[str, Any]
ROWS = (
    "SELECT *, due_at < now() AS late FROM tickets.tickets WHERE tenant_id = 'acme' ORDER BY updated_at DESC, id DESC"
)
FITS: dict[str, Callable[[Row, Any], bool]] = {
    "status": lambda row, value: row["status"] in value,
    "queue": lambda row, value: row["queue"] == value,
    "type": lambda row, value: row["type"] == value,
    "priority": lambda row, value: row["priority"] == value,
    "assignee": lambda row, value: row["assignee"] == value,
    "unassigned": lambda row, value: row["assignee"] is None or not value,
    "customer_id": lambda row, value: row["customer_id"] == value,
    "label": lambda row, value: value in row["labels"],
    "overdue": lambda row, value: (row["late"] and row["status"] in UNFINISHED) or not value,
}
VALUES: dict[str, list[Any]] = {
    "status": [["new"], ["open", "waiting"], [*Status]],
    "queue": ["billing", "outages", "nowhere"],
    "type": ["incident", "question"],
    "priority": ["low", "urgent"],
    "assignee": ["acme-support-agent", "nobody"],
    "unassigned": [True, False],
    "customer_id": ["C-000042", "C-999999"],
    "label": ["checkout", "invoice", "none-has-it"],
    "overdue": [True, False],
}


@pytest.fixture
def desk(suite: Suite) -> Desk:
    return Desk(suite, "support")


@pytest.fixture(scope="module")
async def rows(suite: Suite) -> list[Row]:
    return list(await suite.sql(ROWS))


async def walked(desk: Desk, **arguments: Any) -> list[str]:
    """Ids of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await desk.told("search_tickets", **arguments, **({"cursor": cursor} if cursor else {}))
        found += [each["id"] for each in page["tickets"]]
        cursor = page["next_cursor"]
        assert len(found) <= 500
        if cursor is None:
            return found


def combinations() -> list[dict[str, Any]]:
    """Each value alone, and some of the combinations, the same at every run."""
    chosen = random.Random(7)
    alone = [{name: value} for name, values in VALUES.items() for value in values]
    several = [
        {name: chosen.choice(VALUES[name]) for name in chosen.sample([*VALUES], number)}
        for number in (2, 2, 2, 3, 3, 3, 4, 5) * 2
    ]
    return [{}, *alone, *several]


async def test_filters_find_what_a_plain_reading_of_all_rows_finds(desk: Desk, rows: list[Row]) -> None:
    wrong: list[Any] = []
    sizes: list[int] = []
    for asked in combinations():
        expected = [row["id"] for row in rows if all(FITS[name](row, value) for name, value in asked.items())]
        found = await walked(desk, **asked, limit=100)
        sizes.append(len(found))
        wrong += [] if found == expected else [(asked, len(found), len(expected))]
    assert wrong == []
    assert sum(size > 0 for size in sizes) > 25


PAGED = ({"status": ["open"]}, {"label": "checkout"}, {"query": "checkout"}, {"query": "502", "status": ["open"]})


@pytest.mark.parametrize("more", PAGED, ids=str)
async def test_pages_together_are_the_whole_and_repeat_nothing(desk: Desk, more: dict[str, Any]) -> None:
    whole = await desk.told("search_tickets", **more, limit=100)
    paged = await walked(desk, **more, limit=5)
    assert paged == [each["id"] for each in whole["tickets"]]
    assert len(paged) == len(set(paged)) > 5


async def test_a_cursor_is_for_its_own_question_and_person(suite: Suite, desk: Desk) -> None:
    for asked in ({"queue": "billing"}, {"query": "invoice"}):
        cursor = (await desk.told("search_tickets", **asked, limit=2))["next_cursor"]
        assert cursor
        for who, other in ((desk, {"queue": "outages"}), (desk, {"query": "address"}), (Desk(suite, "auditor"), asked)):
            params = {"name": "search_tickets", "arguments": {**other, "limit": 2, "cursor": cursor}}
            token = suite.token(who.persona, "tickets")
            answer = (await suite.post(token, "tools/call", params, server="tickets")).json()
            assert answer["error"]["code"] == -32602
        mine = {"name": "list_my_tickets", "arguments": {"cursor": cursor}}
        answer = (await suite.post(suite.token("support", "tickets"), "tools/call", mine, server="tickets")).json()
        assert answer["error"]["code"] == -32602


WORDS: dict[str, Callable[[Row], bool]] = {
    "invoice": lambda row: "nvoice" in row["title"] + row["body"],
    "INVOICES": lambda row: "nvoice" in row["title"] + row["body"],
    "checkout 502": lambda row: "heckout" in row["title"] + row["body"] and "502" in row["title"] + row["body"],
    '"error 502"': lambda row: "error 502" in row["title"] + row["body"],
    "502 -gateway": lambda row: "502" in row["title"] + row["body"] and "gateway" not in row["body"],
    "warehouse or colleague": lambda row: "arehouse" in row["title"] + row["body"] or "colleague" in row["title"],
    "quagga": lambda _row: False,
}


@pytest.mark.parametrize("query", WORDS)
async def test_words_and_operators_find_what_has_them(desk: Desk, rows: list[Row], query: str) -> None:
    expected = {row["id"] for row in rows if WORDS[query](row)}
    found = await desk.told("search_tickets", query=query, limit=100)
    assert {each["id"] for each in found["tickets"]} == expected
    assert found["total"] == len(expected)
    assert (found["advice"] is None) == bool(expected)
    narrowed = await desk.told("search_tickets", query=query, limit=100, queue="outages", status=["open"])
    fitting = {row["id"] for row in rows if row["queue"] == "outages" and row["status"] == "open"}
    assert {each["id"] for each in narrowed["tickets"]} == expected & fitting


async def test_titles_come_before_texts(suite: Suite, desk: Desk) -> None:
    word = f"lantern{uuid4().hex[:8]}"
    writer = Desk(suite)
    titled = (await writer.ticket(title=f"The {word}"))["id"]
    worded = (await writer.ticket(body=f"Also a {word}."))["id"]
    assert await walked(desk, query=word) == [titled, worded]


async def test_nothing_found_says_what_to_try(desk: Desk) -> None:
    for asked in ({"query": "quagga"}, {"queue": "nowhere"}, {"label": "none-has-it", "overdue": True}):
        found = await desk.told("search_tickets", **asked)
        assert (found["tickets"], found["next_cursor"]) == ([], None)
        assert "fewer filters" in found["advice"]


async def test_an_id_finds_its_ticket_if_it_fits(desk: Desk) -> None:
    for query in ("T-000042", "t-000042", " T-000042 "):
        found = await desk.told("search_tickets", query=query)
        assert ([each["id"] for each in found["tickets"]], found["total"]) == (["T-000042"], 1)
    ticket = (await desk.whole("T-000042"))["ticket"]
    fits = {"queue": ticket["queue"], "status": [ticket["status"]], "label": ticket["labels"][0]}
    assert await walked(desk, query="T-000042", **fits) == ["T-000042"]
    for other in ({"queue": "nowhere"}, {"status": ["merged"]}, {"label": "none-has-it"}, {"type": "problem"}):
        assert await walked(desk, query="T-000042", **{**fits, **other}) == [], other
    assert await walked(desk, query="T-9999999999") == []


async def test_mine_are_mine_by_each_role(suite: Suite) -> None:
    me = Desk(suite, "manager", {"sub": f"me-{uuid4().hex}"})
    other, mine = Desk(suite), me.claims["sub"]
    created = (await me.ticket())["id"]
    given = (await other.ticket())["id"]
    await other.told("assign_ticket", ticket_id=given, version=1, assignee=mine)
    watched = (await other.ticket(watchers=[mine, f"{mine}2"]))["id"]
    await me.told("transition_ticket", ticket_id=created, version=1, status="closed", resolution="Done.")

    async def ids(**asked: Any) -> list[str]:
        return [each["id"] for each in (await me.told("list_my_tickets", **asked))["tickets"]]

    assert (await ids(), await ids(role="watching"), await ids(role="created")) == ([given], [watched], [])
    assert await ids(role="created", finished=True) == [created]
    await other.told("update_ticket", ticket_id=watched, version=1, changes={"watchers": [f"{mine}2"]})
    assert await ids(role="watching", finished=True) == []


async def test_pages_of_mine_are_in_order(suite: Suite) -> None:
    me = Desk(suite, "manager", {"sub": f"me-{uuid4().hex}"})
    made = [(await me.ticket())["id"] for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while len(found) < 9:
        page = await me.told("list_my_tickets", role="created", limit=2, **cursor)
        found += [each["id"] for each in page["tickets"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == made[::-1]


ODD = (
    "unassigned un-assigned queue:billing status:open type:incident priority:low assignee:me customer:C-000001",
    "tenant:globex 'tenant:globex' label:free watcher:me",
    "http://label:free/watcher:me x <label:free> a@tenant.globex /tenant:globex &label:free; label:free",
)


async def test_marks_of_the_index_are_made_of_labels_watchers_and_tenant_alone(suite: Suite) -> None:
    """The index keeps them as words; neither a text nor another tenant's labels pass for one."""
    desk, theirs = Desk(suite), Desk(suite, "outsider")
    label = f"l{uuid4().hex[:10]}"
    own = [(await desk.ticket(title=text, body=text))["id"] for text in ODD]
    await theirs.ticket(labels=[label, "free"], watchers=["acme-sales-manager"], title=f"Theirs {label}")
    for text in ODD:
        await theirs.ticket(title=text, body=text, watchers=["tenant:acme"])
    assert await walked(desk, label=label) == await walked(desk, query=label) == []
    assert await walked(desk, label="free") == []
    assert (await desk.told("list_my_tickets", role="watching", finished=True))["tickets"] == []
    assert (await desk.told("suggest_similar", text=f"theirs {label}"))["similar"] == []
    assert own[1] in await walked(desk, query="tenant:globex")
    assert set(await walked(desk, query="tenant:globex")) <= set(own)
    odd = await suite.sql(
        "SELECT lexeme, marks FROM tickets.tickets, unnest(words) "
        "WHERE (lexeme ~ '^[a-z]+:' OR lexeme = 'unassigned') AND NOT lexeme = ANY (marks)"
    )
    assert odd == []
    queue = "support"
    plan = await desk.told(
        "bulk_update_tickets", where={"label": label, "queue": queue}, changes={"priority": "low"}, dry_run=True
    )
    assert plan["count"] == 0


async def test_labels_are_found_from_the_change_on(suite: Suite) -> None:
    desk, label = Desk(suite), f"l{uuid4().hex[:10]}"
    made = await desk.ticket(labels=[label])
    assert await walked(desk, label=label) == [made["id"]]
    changed = await desk.told("update_ticket", ticket_id=made["id"], version=1, changes={"labels": []})
    assert await walked(desk, label=label) == []
    await desk.told("undo_change", change_id=changed["change_id"])
    assert await walked(desk, label=label) == [made["id"]]
