"""What callers are told when the other side fails, and what it is asked meanwhile."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from tests.harness import Databases, Suite
from tests.servers.tickets.jira.fake import FakeJira
from tests.servers.tickets.jira.faults import Fault, Kind
from tests.servers.tickets.jira.site import call, key, made, over_jira, wish

pytestmark = pytest.mark.anyio

Site = tuple[Suite, FakeJira]


@pytest.fixture(scope="module")
async def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    async with over_jira(databases, tmp_path_factory.mktemp("jira"), answer_s=1.2) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_faults_left(site: Site) -> None:
    site[1].faults.clear()
    site[1].log.clear()


async def read(suite: Suite) -> dict[str, Any]:
    return await call(suite, "get_tickets", ticket_ids=["SUP-1"])


@pytest.mark.parametrize("kind", ["error_before", "reset_before", "malformed", "html", "limited"])
async def test_a_read_is_repeated_and_nobody_learns_of_what_passed(site: Site, kind: Kind) -> None:
    suite, jira = site
    jira.fails(Fault(kind, path="bulkfetch", times=2))
    assert (await read(suite))["missing"] == ["SUP-1"]
    assert len(jira.log) == 3


@pytest.mark.parametrize("kind", ["error_before", "reset_before", "malformed", "html", "oversize", "other_shape"])
async def test_a_read_that_fails_again_and_again_is_unavailable_and_retryable(site: Site, kind: Kind) -> None:
    suite, jira = site
    jira.fails(Fault(kind, path="bulkfetch", times=9))
    told = (await read(suite))["error"]
    assert (told["code"], told["retryable"]) == ("unavailable", True)
    assert len(jira.log) == (1 if kind == "other_shape" else 3)


@pytest.mark.parametrize("kind", ["slow_before", "dripping"])
async def test_a_read_has_one_time_for_all_its_attempts(site: Site, kind: Kind) -> None:
    suite, jira = site
    jira.fails(Fault(kind, path="bulkfetch", times=9))
    assert (await read(suite))["error"]["code"] == "unavailable"
    assert len(jira.log) == 1


async def test_a_redirect_is_not_followed(site: Site) -> None:
    suite, jira = site
    jira.fails(Fault("redirect", path="bulkfetch"))
    assert (await read(suite))["error"]["code"] == "unavailable"
    assert len(jira.log) == 1


@pytest.mark.parametrize("kind", ["limited", "limited_at_date"])
async def test_a_long_pause_is_told_and_kept_by_everybody(databases: Databases, tmp_path: Any, kind: Kind) -> None:
    async with over_jira(databases, tmp_path) as (suite, jira):
        jira.fails(Fault(kind, path="bulkfetch", after_s=40))
        told = (await read(suite))["error"]
        assert (told["code"], told["retryable"]) == ("rate_limited", True)
        assert 35 < told["details"]["retry_after_s"] <= 40
        again = (await call(suite, "create_ticket", "support", **wish()))["error"]
        assert again["code"] == "rate_limited"
        assert len(jira.log) == 1


async def test_a_write_that_is_limited_was_not_done_and_the_same_key_does_it(site: Site) -> None:
    suite, jira = site
    asked = wish("Limited")
    jira.fails(Fault("limited", method="POST", path="/issue$"))
    assert (await call(suite, "create_ticket", **asked))["error"]["code"] == "rate_limited"
    done = await call(suite, "create_ticket", **asked)
    assert done["ticket"]["title"] == "Limited"
    assert [each.applied for each in jira.writes] == [False, True]


@pytest.mark.parametrize(
    "kind", ["reset_after", "error_after", "malformed", "html", "oversize", "slow_after", "dripping"]
)
async def test_a_write_whose_reply_is_lost_is_found_again_by_its_key_and_not_sent_again(site: Site, kind: Kind) -> None:
    suite, jira = site
    asked = wish(f"Lost by {kind}")
    jira.fails(Fault(kind, method="POST", path="/issue$"))
    lost = (await call(suite, "create_ticket", **asked))["error"]
    assert (lost["code"], lost["retryable"]) == ("outcome_unknown", True)
    found = await call(suite, "create_ticket", **asked)
    assert found["ticket"]["title"] == asked["title"]
    assert len(jira.writes) == 1
    assert await call(suite, "create_ticket", **asked) == found


@pytest.mark.parametrize(
    "tool", ["update_ticket", "comment_on_ticket", "transition_ticket", "assign_ticket", "link_tickets"]
)
async def test_every_kind_of_write_is_found_again(site: Site, tool: str) -> None:
    suite, jira = site
    ticket, other = await made(suite), await made(suite)
    one: dict[str, Any] = {"ticket_id": ticket["id"], "version": ticket["version"], "idempotency_key": key()}
    asked: dict[str, dict[str, Any]] = {
        "update_ticket": {**one, "changes": {"title": "Changed"}},
        "comment_on_ticket": {"ticket_id": ticket["id"], "text": "Hello", "idempotency_key": key()},
        "transition_ticket": {**one, "status": "open"},
        "assign_ticket": {**one, "assignee": "acc-9"},
        "link_tickets": {**one, "kind": "relates_to", "other_id": other["id"]},
    }
    jira.log.clear()
    jira.fails(Fault("reset_after", method="POST|PUT", path="(issue/SUP-[0-9]+(/comment|/transitions)?|issueLink)$"))
    lost = (await call(suite, tool, **asked[tool]))["error"]
    assert lost["code"] == "outcome_unknown"
    found = await call(suite, tool, **asked[tool])
    assert "error" not in found, found
    assert len(jira.writes) == 1


async def test_a_write_that_never_arrived_is_lost_once_it_would_show_and_a_new_key_does_it(site: Site) -> None:
    suite, jira = site
    asked = wish("Never arrived")
    jira.fails(Fault("reset_before", method="POST", path="/issue$"))
    told = await settled(suite, asked)
    assert (told["code"], told["retryable"]) == ("conflict", False)
    assert "new idempotency_key" in told["message"]
    assert (await call(suite, "create_ticket", **asked))["error"]["code"] == "conflict"
    assert len(jira.writes) == 1
    assert "ticket" in await call(suite, "create_ticket", **{**asked, "idempotency_key": key()})


async def settled(suite: Suite, asked: dict[str, Any], tool: str = "create_ticket") -> dict[str, Any]:
    """What the caller is told in the end, who repeats the call for as long as that is said to help."""
    with anyio.fail_after(20):
        while (told := await call(suite, tool, **asked)).get("error", {}).get("retryable"):
            await anyio.sleep(0.05)
    return told.get("error", told)


async def test_what_search_does_not_show_yet_is_neither_sent_again_nor_given_up(
    databases: Databases, tmp_path: Any
) -> None:
    async with over_jira(databases, tmp_path, settle_s=600) as (suite, jira):
        asked = wish("Shows late")
        jira.begun = lambda each: jira.issues.hidden.add(f"SUP-{jira.issues.last + 1}")
        jira.fails(Fault("reset_after", method="POST", path="/issue$"))
        codes = [(await call(suite, "create_ticket", **asked))["error"]["code"] for _ in range(3)]
        assert codes == ["outcome_unknown"] * 3
        jira.begun = None
        jira.issues.hidden.clear()
        assert (await call(suite, "create_ticket", **asked))["ticket"]["title"] == "Shows late"
        assert len(jira.writes) == 1


async def test_a_key_used_with_other_arguments_is_refused_even_while_nobody_knows(site: Site) -> None:
    suite, jira = site
    asked = wish("First")
    jira.fails(Fault("reset_after", method="POST", path="/issue$"))
    await call(suite, "create_ticket", **asked)
    refused = await call(suite, "create_ticket", **{**asked, "title": "Second"})
    assert refused["error"]["code"] == "key_reused"
    assert len(jira.writes) == 1


@pytest.mark.parametrize("kind", ["error_before", "reset_before"])
async def test_a_result_that_cannot_be_read_is_not_told_as_if_nothing_was_done(site: Site, kind: Kind) -> None:
    suite, jira = site
    asked = wish("Done, not read")
    jira.fails(Fault(kind, method="GET", path="/issue/SUP", times=3))
    assert (await call(suite, "create_ticket", **asked))["error"]["code"] == "outcome_unknown"
    assert (await call(suite, "create_ticket", **asked))["ticket"]["title"] == "Done, not read"
    assert len(jira.writes) == 1


async def test_jira_away_altogether_refuses_writes_as_not_done(databases: Databases, tmp_path: Any) -> None:
    async with over_jira(databases, tmp_path, url="http://127.0.0.1:9") as (suite, jira):
        told = (await call(suite, "create_ticket", **wish()))["error"]
        assert (told["code"], told["retryable"]) == ("unavailable", True)
        assert "Nothing was done" in told["message"]
        assert jira.log == []


@pytest.mark.parametrize(
    ("closed_to", "reads", "writes"), [("closed_to", "not_found", "not_found"), ("readers", None, "denied")]
)
async def test_what_jira_does_not_let_the_caller_do_is_told(
    site: Site, closed_to: str, reads: str | None, writes: str
) -> None:
    suite, jira = site
    ticket = await made(suite)
    who: set[str] = getattr(jira.issues, closed_to)
    who.add("acc-service")
    try:
        read = await call(suite, "get_ticket", ticket_id=ticket["id"])
        assert read.get("error", {}).get("code") == reads
        asked: dict[str, Any] = {"ticket_id": ticket["id"], "version": ticket["version"], "idempotency_key": key()}
        refused = await call(suite, "update_ticket", **asked, changes={"title": "New"})
        assert refused["error"]["code"] == writes
    finally:
        who.clear()


async def test_nothing_of_a_body_or_a_credential_is_in_the_logs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    suite, jira = site
    jira.fails(Fault("other_shape", path="bulkfetch"), Fault("reset_after", method="POST", path="/issue$"))
    await read(suite)
    await call(suite, "create_ticket", **wish("A private matter"))
    said = capsys.readouterr()
    assert "an answer does not fit" in said.out + said.err
    for secret in ("A private matter", "a-service-token", "Ym90QGFjbWU"):
        assert secret not in said.out + said.err
