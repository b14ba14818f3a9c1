"""Changes are told within their tenant: two things of one URI, each tenant's own, are two things."""

from typing import Any
from uuid import uuid4

import pytest

from tests.harness import ERAS
from tests.servers.customers.tenant_hop.forgetting import changed
from tests.servers.customers.tenant_hop.people import OUTSIDE, OWNER, TWIN, Person
from tests.servers.customers.tenant_hop.world import STREAMS, Hop

pytestmark = pytest.mark.anyio


def uris() -> tuple[str, str]:
    """Two that nobody used."""
    word = uuid4().hex
    return f"drill://things/{word}-a", f"drill://things/{word}-b"


async def put(person: Person, *uris: str) -> None:
    for uri in uris:
        await person.told("put", "drill", id=uri.rpartition("/")[2], value=uuid4().hex)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", OUTSIDE)
async def test_a_change_is_not_told_to_those_who_have_the_like_of_it(hop: Hop, who: str, era: str) -> None:
    owner, thief = hop.person(OWNER, era), hop.person(who, era)
    twin, last = uris()
    await put(owner, twin, last)
    await put(thief, twin, last)
    async with thief.hearing(twin, last) as ear, owner.hearing(twin) as own:
        assert ear.honoured == [twin, last]
        await put(owner, twin)
        assert await own.hears() == twin
        await put(thief, last)
        assert await ear.hears() == last


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", OUTSIDE)
async def test_what_is_anothers_cannot_be_watched(hop: Hop, who: str, era: str) -> None:
    owner, thief = hop.person(OWNER, era), hop.person(who, era)
    theirs, nobodys = uris()
    await put(owner, theirs)
    async with thief.hearing(theirs) as stolen, thief.hearing(nobodys) as made_up:
        assert stolen.honoured == made_up.honoured == []
    if era == "legacy":
        talk = await thief.talk()
        answers = [await talk.post(0, talk.request("resources/subscribe", {"uri": uri})) for uri in (theirs, nobodys)]
        errors = [answer.json()["error"] for answer in answers]
        assert [error["message"] for error in errors] == ["Resource not found"] * 2
        assert [error["data"] for error in errors] == [{"uri": theirs}, {"uri": nobodys}]


@pytest.mark.parametrize("who", OUTSIDE)
async def test_the_place_of_somebody_elses_event_leads_to_ones_own_changes(hop: Hop, who: str) -> None:
    owner, thief = hop.person(OWNER, "legacy"), hop.person(who, "legacy")
    twin, last = uris()
    await put(owner, twin)
    await put(thief, twin, last)
    async with thief.hearing(twin, last):
        pass
    async with owner.hearing(twin) as own:
        await put(owner, twin)
        await own.hears()
        await put(owner, twin)
        await put(thief, last)
        assert own.event_id is not None
        async with thief.hearing(after=own.event_id) as ear:
            assert await ear.hears() == last


@pytest.mark.parametrize("who", OUTSIDE)
async def test_streams_of_one_tenant_take_none_of_anothers_places(hop: Hop, who: str) -> None:
    owner, thief = hop.person(), hop.person(who)
    async with owner.hearing(), owner.hearing(), owner.hearing():
        params: dict[str, Any] = {"notifications": {"resourceSubscriptions": []}}
        assert "streams_per_user" in (await owner.ask("subscriptions/listen", params, "drill")).text
        async with thief.hearing(), thief.hearing(), thief.hearing():
            pass
    assert STREAMS == 3


@pytest.mark.parametrize("era", ERAS)
async def test_the_matrix_sees_it_when_notices_are_of_all_tenants(
    hop: Hop, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = hop.suite.parts.stores.notices
    changed(monkeypatch, notices, "following", 1, lambda _tenant: "acme")
    owner, thief = hop.person(OWNER, era), hop.person(TWIN, era)
    twin, _ = uris()
    await put(owner, twin)
    await put(thief, twin)
    async with thief.hearing(twin) as ear:
        await put(owner, twin)
        assert await ear.hears() == twin
