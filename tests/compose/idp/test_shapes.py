"""The settings given beside each shape make our own verifier understand it."""

import httpx
import pytest
from starlette.applications import Starlette

from compose.idp.provider import IdentityProvider
from compose.idp.shapes import SHAPES
from shared.core.caller import Caller
from shared.core.errors import Unauthenticated
from shared.core.settings import Settings
from shared.steps.auth import Verifier
from shared.steps.providers import Provider
from tests.compose.idp.flow import CUSTOMERS, ISSUER, ORIGIN, RESOURCES

pytestmark = pytest.mark.anyio

ACCEPTED = [name for name, shape in SHAPES.items() if shape.refused is None]


async def verified(shape: str, who: str, **claims: object) -> Caller:
    """Whom our verifier takes somebody for whose token is in this shape."""
    provider = IdentityProvider(ISSUER, resources=RESOURCES, shape=shape, algorithm="RS256")
    settings = Settings(issuers={"mock": SHAPES[shape].accepted_by(ISSUER, {"customers": CUSTOMERS})})  # pyright: ignore[reportArgumentType] pydantic makes an Issuer of it
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        (issuer,) = settings.trusted_issuers
        ours = Provider.of(issuer, settings, http)
        verifier = Verifier(settings, "customers", CUSTOMERS, {issuer.url: ours})
        try:
            return await verifier.verify(f"Bearer {provider.mint(who, CUSTOMERS, **claims)}")  # pyright: ignore[reportArgumentType] claims alone
        finally:
            await ours.aclose()


@pytest.mark.parametrize("shape", ACCEPTED)
async def test_a_person_is_the_same_in_every_shape(shape: str) -> None:
    caller = await verified(shape, "manager", acr="aal2")
    assert (caller.tenant, caller.trust, caller.acr) == ("acme", "person", "aal2")
    assert {"customers:read", "customers:write", "customers:pii"} <= caller.scopes
    assert caller.roles == {"sales", "manager"} or shape == "keycloak"
    assert {"sales", "manager"} <= caller.roles
    assert not caller.may("customers:admin")


@pytest.mark.parametrize("shape", ACCEPTED)
async def test_a_program_is_told_from_a_person_in_every_shape(shape: str) -> None:
    caller = await verified(shape, "acme-sync")
    assert (caller.tenant, caller.trust) == ("acme", "service")
    assert caller.may("customers:write")
    assert not caller.may("customers:admin")


@pytest.mark.parametrize("shape", ACCEPTED)
async def test_the_other_tenant_is_the_other_one_in_every_shape(shape: str) -> None:
    assert (await verified(shape, "outsider")).tenant == "globex"


@pytest.mark.parametrize("shape", ["entra", "keycloak", "okta"])
async def test_a_token_for_something_else_is_refused_in_every_shape(shape: str) -> None:
    for audience in (None, "account", "00000003-0000-0000-c000-000000000000", ["account"]):
        with pytest.raises(Unauthenticated) as refused:
            await verified(shape, "manager", aud=audience)
        assert refused.value.reason == "audience"


async def test_a_token_without_an_audience_is_refused_whoever_sends_it() -> None:
    with pytest.raises(Unauthenticated) as refused:
        await verified("cognito", "manager")
    assert refused.value.reason == SHAPES["cognito"].refused == "audience"
