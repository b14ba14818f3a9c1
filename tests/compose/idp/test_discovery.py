import httpx
import pytest
from mcp.shared.auth import OAuthMetadata

from compose.idp.provider import IdentityProvider, idp_app
from shared.core.errors import Misconfigured
from tests.compose.idp.flow import ISSUER, RESOURCES, Flow

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/idp",
        "/.well-known/openid-configuration/idp",
        "/idp/.well-known/openid-configuration",
    ],
)
async def test_metadata_is_found_where_clients_look_and_names_the_issuer_byte_for_byte(flow: Flow, path: str) -> None:
    answer = await flow.http.get(path)
    assert answer.status_code == 200
    document = answer.json()
    assert document["issuer"] == ISSUER
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert set(document["token_endpoint_auth_methods_supported"]) == {
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    }
    for endpoint in ("token", "introspection", "revocation"):
        algorithms = set(document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"])
        assert algorithms == {"ES256", "RS256", "PS256", "EdDSA", "Ed25519"}
    assert "openid" in document["scopes_supported"]
    assert "offline_access" not in document["scopes_supported"]
    assert set(document["grant_types_supported"]) == {
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    }
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert document["request_uri_parameter_supported"] is False
    assert str(OAuthMetadata.model_validate(document).issuer) == ISSUER


async def test_every_endpoint_in_the_metadata_exists(flow: Flow) -> None:
    document = (await flow.http.get("/.well-known/oauth-authorization-server/idp")).json()
    assert (await flow.http.get(document["jwks_uri"])).status_code == 200
    endpoints = [name for name in document if name.endswith("_endpoint")]
    assert len(endpoints) == 6
    for name in endpoints:
        assert (await flow.http.request("PUT", document[name])).status_code == 405


@pytest.mark.parametrize("issuer", ["http://idp.example:9000", "http://idp.example:9000/"])
async def test_an_issuer_at_the_root_has_its_metadata_at_the_root(issuer: str) -> None:
    app = idp_app(IdentityProvider(issuer, resources=RESOURCES))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://idp.example:9000") as http:
        for name in ("oauth-authorization-server", "openid-configuration"):
            document = (await http.get(f"/.well-known/{name}")).json()
            assert document["issuer"] == issuer
            assert document["token_endpoint"] == "http://idp.example:9000/token"


async def test_on_its_own_it_answers_to_its_own_hosts_only() -> None:
    app = idp_app(IdentityProvider("http://localhost:9000", resources=RESOURCES), ["idp"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:9000") as http:
        for host, status in (("localhost:9000", 200), ("idp:9000", 200), ("rebound.example:9000", 400)):
            assert (await http.get("/jwks.json", headers={"Host": host})).status_code == status


@pytest.mark.parametrize("issuer", ["idp", "ftp://idp.example", "https://idp.example?x=1", "https://idp.example#x"])
def test_a_malformed_issuer_is_refused_at_start(issuer: str) -> None:
    with pytest.raises(Misconfigured, match="issuer"):
        IdentityProvider(issuer, resources=RESOURCES)


def test_a_resource_with_a_fragment_is_refused_at_start() -> None:
    with pytest.raises(Misconfigured, match="fragment"):
        IdentityProvider(ISSUER, resources={"https://a.example/mcp#x": ()})
