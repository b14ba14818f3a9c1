"""What is remembered of tokens, and for how long; what their issuer is asked, and how often."""

import asyncio
import secrets

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, Key
from joserfc.jws import JWSRegistry

from shared.core.errors import Misconfigured, Unauthenticated, Unavailable
from shared.steps import auth
from shared.steps.jwks import BURST
from tests.shared.steps.issuing import CLAIMS, NOW, World, public, token, with_claims

pytestmark = pytest.mark.anyio


async def test_a_remembered_token_expires_on_time(world: World) -> None:
    presented = token()
    await world.verify(presented)
    world.passes(629)
    await world.verify(presented)
    world.passes(1)
    assert await world.reason(presented) == "expired"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each signature that is checked."""
    seen: list[object] = []
    check = jws.validate_compact

    def counting(signed: jws.CompactSignature, key: Key, registry: JWSRegistry) -> bool:
        seen.append(signed)
        return check(signed, key, registry=registry)

    monkeypatch.setattr(jws, "validate_compact", counting)
    return seen


async def test_a_signature_is_checked_once_while_its_token_is_remembered(world: World, checked: list[object]) -> None:
    presented = token()
    first = await world.verify(presented)
    assert await world.verify(presented) is first
    assert len(checked) == 1


async def test_refusals_are_not_remembered(world: World, checked: list[object]) -> None:
    presented = with_claims(nbf=NOW + 60)
    assert await world.reason(presented) == "not_yet_valid"
    assert await world.reason(presented) == "not_yet_valid"
    assert len(checked) == 2
    world.passes(60)
    await world.verify(presented)


async def test_memory_is_bounded_and_keeps_what_is_used(
    world: World, checked: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 3)
    first, second, third, fourth = [with_claims(jti=str(number)) for number in range(4)]
    for presented in (first, second, third, second, first, fourth):
        await world.verify(presented)
    assert len(checked) == 4
    for presented in (second, first, fourth):
        await world.verify(presented)
    assert len(checked) == 4
    await world.verify(third)
    assert len(checked) == 5


async def test_a_rotated_key_works_from_its_first_token_on(world: World) -> None:
    await world.verify(token())
    rotated = ECKey.generate_key("P-256")
    world.served.append(public(rotated, kid="next"))
    await world.verify(token({"kid": "next"}, key=rotated))
    assert world.fetches == 2


@pytest.mark.parametrize("same_id", [True, False])
async def test_a_remembered_token_dies_with_its_key(world: World, same_id: bool) -> None:
    presented = token()
    await world.verify(presented)
    other = public(ECKey.generate_key("P-256"), kid="p256")
    world.served[:1] = [other] if same_id else []
    world.passes(301)
    assert await world.reason(presented) == ("signature" if same_id else "key")


async def test_fifty_tokens_of_a_new_key_cost_one_fetch(world: World) -> None:
    await world.verify(token())
    rotated = ECKey.generate_key("P-256")
    world.served.append(public(rotated, kid="next"))
    claims = [CLAIMS | {"jti": str(number)} for number in range(50)]
    presented = [token({"kid": "next"}, each, rotated) for each in claims]
    callers = await asyncio.gather(*map(world.verify, presented))
    assert len(callers) == 50
    assert world.fetches == 2


async def test_a_storm_of_unknown_keys_is_refused_with_few_fetches(world: World) -> None:
    await world.verify(token())
    for _ in range(1000):
        assert await world.reason(token({"kid": secrets.token_hex(8)})) == "key"
    assert world.fetches == BURST
    for _ in range(600):
        world.passes(0.1)
        await world.reason(token({"kid": secrets.token_hex(8)}))
    assert world.fetches <= 10


async def test_tokens_of_another_issuer_cost_no_fetch(world: World) -> None:
    assert await world.reason(token({"kid": "theirs"}, CLAIMS | {"iss": "https://evil.example"})) == "issuer"
    assert world.fetches == 0


async def test_without_an_issuer_known_keys_serve_for_an_hour(world: World) -> None:
    presented = with_claims(exp=NOW + 3590)
    await world.verify(presented)
    world.down = True
    world.passes(3500)
    await world.verify(presented)
    await world.verify(with_claims(exp=NOW + 3590, jti="unseen"))
    world.passes(101)
    for each in (presented, with_claims(iat=NOW + 3500, exp=NOW + 7000)):
        with pytest.raises(Unavailable):
            await world.verify(each)


async def test_without_an_issuer_from_the_start_nothing_is_accepted(world: World) -> None:
    world.down = True
    for _ in range(20):
        with pytest.raises(Unavailable):
            await world.verify(token())
    assert world.fetches == BURST
    world.down = False
    world.passes(10)
    await world.verify(token())


async def test_the_token_stays_out_of_the_errors(world: World) -> None:
    presented = token(key=ECKey.generate_key("P-256"))
    with pytest.raises(Unauthenticated) as refusal:
        await world.verify(presented)
    said = str(refusal.value) + repr(refusal.value) + str(refusal.value.__cause__)
    assert not any(part in said for part in presented.split("."))
    assert "key=" not in repr(await world.jwks.find("ES256", "p256"))


async def test_an_algorithm_we_cannot_verify_refuses_to_start() -> None:
    with pytest.raises(Misconfigured):
        World(options={"token_algorithms": ("ES256K",)})
    with pytest.raises(Misconfigured):
        World(issuer={"algorithms": ("ES256K",)})


async def test_whether_a_token_is_revoked_is_asked_each_time(world: World, checked: list[object]) -> None:
    presented = with_claims(jti="t-1")
    await world.verify(presented)
    world.revoked.add("t-1")
    assert await world.reason(presented) == "revoked"
    await world.verify(with_claims(jti="t-2"))
    world.revoked.clear()
    await world.verify(presented)
    assert len(checked) == 3


async def test_a_revoked_token_that_is_wrong_besides_says_what_is_wrong(world: World) -> None:
    world.revoked.add("t-1")
    assert await world.reason(with_claims(jti="t-1", aud="https://else.example")) == "audience"
