"""An idempotency key, and the answer to a question, do nothing for anybody but whoever used or was asked first."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.edge.protocol import Protocol
from shared.steps.idempotency import Ledger
from tests.harness import ERAS, Databases
from tests.servers.customers.tenant_hop.asking import effects, state_tried
from tests.servers.customers.tenant_hop.forgetting import changed
from tests.servers.customers.tenant_hop.people import OWNER, THIEVES, TWIN, Person
from tests.servers.customers.tenant_hop.world import Hop, open_hop

pytestmark = pytest.mark.anyio
kept_once = pytest.mark.parametrize("hop", ["redis"], indirect=True, scope="module")


def new() -> dict[str, Any]:
    """A customer to create, under a name and a key nobody used."""
    word = uuid4().hex
    return {"name": f"N{word}", "segment": "consumer", "country": "DE", "idempotency_key": f"key-{word}"}


async def created(person: Person, arguments: dict[str, Any]) -> str:
    return (await person.told("create_customer", **arguments))["customer"]["id"]


@kept_once
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", THIEVES)
async def test_a_key_that_somebody_used_is_a_fresh_key(hop: Hop, who: str, era: str) -> None:
    owner, thief, arguments = hop.person(OWNER, era), hop.person(who, era), new()
    first = await created(owner, arguments)
    theirs = await created(thief, arguments)
    assert theirs != first
    assert [await created(each, arguments) for each in (owner, thief)] == [first, theirs]
    rows = await hop.suite.sql("SELECT tenant_id, id FROM customers.customers WHERE name = $1", arguments["name"])
    assert {tuple(row) for row in rows} == {("acme", first), (thief.tenant, theirs)}


@kept_once
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", THIEVES)
async def test_nobody_learns_that_a_key_was_used_with_other_arguments(hop: Hop, who: str, era: str) -> None:
    owner, thief, arguments = hop.person(OWNER, era), hop.person(who, era), new()
    await created(owner, arguments)
    for name in ("Other", "And another"):
        answers = [await thief.call("create_customer", **{**arguments, "name": name}) for _ in range(2)]
        codes = [each.json()["result"].get("structuredContent", {}).get("error", {}).get("code") for each in answers]
        assert codes == ([None, None] if name == "Other" else ["key_reused"] * 2), "the thief's own use counts"


@kept_once
@pytest.mark.parametrize("who", THIEVES)
async def test_the_state_of_a_call_that_asked_is_good_for_nobody_else(hop: Hop, who: str) -> None:
    thing = f"hop-{uuid4().hex}"
    stolen, made_up = await state_tried(hop, who, thing)
    assert stolen == made_up
    assert (stolen[0], '"code":-32602' in stolen[1]) == (400, True)
    assert await effects(hop, thing) == ["acme"], "the owner's own last round was still good"


CONTROLS = {TWIN: {"tenant": "acme"}, "a colleague": {"subject": "acme-admin"}, "another client": {"client": "desk"}}
"""What of the caller is taken to be the same for all, and who then passes for the owner."""


@kept_once
@pytest.mark.parametrize("who", CONTROLS)
async def test_the_matrix_sees_it_when_a_key_is_bound_to_less(
    hop: Hop, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = new()
    changed(monkeypatch, Ledger, "once", 2, lambda caller: replace(caller, **CONTROLS[who]))
    assert await created(hop.person(), arguments) == await created(hop.person(who), arguments)


def principal_without(left_out: set[str]) -> Callable[[Protocol, Any], str]:
    """Whose a state is, without the parts of the caller that are in the set at the time."""

    def principal(self: Protocol, context: Any) -> str:
        caller = self._caller_of(context)  # pyright: ignore[reportPrivateUsage]
        parts = {name: getattr(caller, name) for name in ("issuer", "subject", "client", "tenant")}
        return repr([part for name, part in parts.items() if name not in left_out])

    return principal


async def test_the_matrix_sees_it_when_a_state_is_bound_to_less(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out: set[str] = set()
    monkeypatch.setattr(Protocol, "_principal", principal_without(left_out))
    async with open_hop(databases, tmp_path) as hop:
        for who, part in ((TWIN, "tenant"), ("a colleague", "subject"), ("another client", "client")):
            for forgotten, same in ((set[str](), True), ({part}, False)):
                left_out.clear()
                left_out.update(forgotten)
                stolen, made_up = await state_tried(hop, who, f"hop-{uuid4().hex}")
                assert (stolen == made_up) is same, (who, forgotten)
