"""What a process remembers of one caller, it uses for nobody else: verified tokens, and what follows from them."""

import base64
import json
from typing import Any

import pytest

from shared.steps import auth
from tests.servers.customers.tenant_hop.people import OWNER, THIEVES, TWIN, Person
from tests.servers.customers.tenant_hop.world import Hop

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("hop", ["redis"], indirect=True, scope="module")]

TURNS = 2
READ, ALL = ["customers:read"], ["customers:admin"]


async def shown(person: Person) -> tuple[Any, ...]:
    """What depends on who asks and what they may: the tools they see, and what they find."""
    tools = [tool["name"] for tool in (await person.ask("tools/list", {})).json()["result"]["tools"]]
    found = (await person.told("search_customers", query="an", limit=3))["customers"]
    return tools, found


async def test_callers_in_turn_are_each_shown_their_own(hop: Hop) -> None:
    everybody = [hop.person(who, scopes=scopes) for who in (OWNER, *THIEVES) for scopes in (READ, ALL)]
    first = [await shown(person) for person in everybody]
    again = [[await shown(person) for person in everybody] for _ in range(TURNS - 1)]
    assert again == [first] * (TURNS - 1)
    kinds = {(person.tenant, *(person.scopes or ())): answer for person, answer in zip(everybody, first, strict=True)}
    assert all(
        kinds[person.tenant, *(person.scopes or ())] == answer for person, answer in zip(everybody, first, strict=True)
    )
    assert len({json.dumps(answer) for answer in kinds.values()}) == len(kinds) == 4


def part(token: str, number: int) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[number] + "=="))


async def test_a_token_that_was_accepted_vouches_for_no_other(hop: Hop) -> None:
    """Not with its signature under other claims, and not at another server."""
    owner, thief = hop.person(OWNER), hop.person(TWIN)
    genuine, other = owner.token(), thief.token()
    head, _, signature = genuine.split(".")
    forged = f"{head}.{other.split('.')[1]}.{signature}"
    assert part(forged, 1)["tenant"] == "globex"
    for _ in range(TURNS):
        answers = [await hop.suite.post(token, "tools/list", {}) for token in (genuine, other, forged)]
        assert [answer.status_code for answer in answers] == [200, 200, 401]
        drill = await hop.http.post(
            hop.suite.url("drill"), json={}, headers={"Authorization": f"Bearer {genuine}", "Accept": "*/*"}
        )
        assert drill.status_code == 401


async def test_the_matrix_sees_it_when_tokens_are_taken_for_each_other(
    hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = [hop.person(who) for who in (OWNER, TWIN)]
    apart = [await shown(person) for person in everybody]
    assert apart[0][1] != apart[1][1]
    monkeypatch.setattr(auth, "sha256", _Same)
    taken = [await shown(person) for person in everybody]
    assert taken[0] == taken[1]


class _Same:
    """A digest that is the same for all."""

    def __init__(self, _data: bytes) -> None: ...

    def digest(self) -> bytes:
        return b"the same"
