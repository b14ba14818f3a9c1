"""Which issuers may be trusted together."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from tests.shared.core.test_settings import FLEET

ACME: dict[str, Any] = {"url": "https://login.acme.example", "tenant": "acme"}
GLOBEX: dict[str, Any] = {"url": "https://login.globex.example", "tenants": {"8f3e": "globex"}}


def settings(**issuers: Any) -> Settings:
    return Settings.model_validate({"issuers": issuers})


def test_issuers_are_set_one_variable_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "ACME__URL": "https://login.acme.example/",
        "ACME__TENANT": "007",
        "ACME__SCOPE_CLAIMS": "scp roles",
        "ACME__ROLE_CLAIMS": '["https://acme.example/a, b"]',
        "ACME__AUDIENCES__CUSTOMERS": "api://customers",
        "ACME__SCOPE_NAMES": '{"Customers.Read": "customers:read"}',
        "ACME__CLIENT_ID": "1234",
        "ACME__CLIENT_SECRET": "1e5",
        "GLOBEX__URL": "https://login.globex.example",
        "GLOBEX__TENANTS": '{"8F3E": "globex"}',
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SUITE_ISSUERS__{name}", value)
    acme, globex = Settings().trusted_issuers
    assert (acme.url, acme.tenant, acme.scope_claims) == ("https://login.acme.example/", "007", ("scp", "roles"))
    assert acme.role_claims == ("https://acme.example/a, b",)
    assert acme.audiences == {"customers": "api://customers"}
    assert acme.scope_names == {"Customers.Read": "customers:read"}
    assert (acme.client_id, acme.client_secret) == ("1234", SecretStr("1e5"))
    assert globex.tenants == {"8F3E": "globex"}


def test_issuers_are_set_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_ISSUERS", json.dumps({"acme": ACME, "globex": GLOBEX}))
    monkeypatch.setenv("SUITE_ISSUERS__ACME__MAX_LIFETIME_S", "600")
    acme, globex = Settings().trusted_issuers
    assert (acme.tenant, acme.max_lifetime_s, globex.tenants) == ("acme", 600, {"8f3e": "globex"})


def test_without_issuers_there_is_the_one_of_the_older_settings() -> None:
    one = Settings(issuer="https://login.example", jwks_url="https://login.example/keys", tenant_claim="org")
    (issuer,) = one.trusted_issuers
    assert (issuer.url, issuer.jwks_url, issuer.tenant_claim) == (one.issuer, one.jwks_url, "org")
    (mock,) = Settings().trusted_issuers
    assert mock.url == Settings().mock_issuer == "http://127.0.0.1:8080/idp"


@pytest.mark.parametrize(
    "older", [{"issuer": "https://x.example"}, {"jwks_url": "https://x.example"}, {"tenant_claim": "tenant"}]
)
def test_both_ways_at_once_are_refused(older: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="one or the other"):
        Settings.model_validate({"issuers": {"acme": ACME}, **older})


@pytest.mark.parametrize(
    ("said", "issuers"),
    [
        ("globex must say which tenants", {"acme": ACME, "globex": {"url": "https://login.globex.example"}}),
        ("same url", {"acme": ACME, "again": {**GLOBEX, "url": ACME["url"]}}),
        ("both vouch for acme", {"acme": ACME, "other": {**GLOBEX, "tenants": {"x": "globex", "y": "acme"}}}),
        (
            "both vouch for acme",
            {"acme": {**ACME, "shares_tenants": True}, "other": {**GLOBEX, "tenants": {"y": "acme"}}},
        ),
        ("tenant and tenants", {"acme": {**ACME, "tenants": {"x": "acme"}}}),
        ("no tenant's name", {"acme": {**ACME, "tenant": "Acme"}}),
        ("no tenant's name", {"globex": {**GLOBEX, "tenants": {"8f3e": "glo:bex"}}}),
        ("client_id", {"acme": {**ACME, "introspect": "opaque"}}),
        ("client_id", {"acme": {**ACME, "client_id": "suite"}}),
        ("client_id", {"acme": {**ACME, "client_id": "suite", "client_secret": "x", "client_key": Path("/x")}}),
        ("asymmetric", {"acme": {**ACME, "algorithms": ("ES256", "HS256")}}),
        ("asymmetric", {"acme": {**ACME, "algorithms": "none"}}),
    ],
)
def test_an_issuer_that_could_speak_for_another_or_for_nobody_is_refused(said: str, issuers: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=said):
        settings(**issuers)


def test_issuers_share_a_tenant_where_both_say_so() -> None:
    shared = {
        "acme": {**ACME, "shares_tenants": True},
        "more": {**GLOBEX, "tenants": {"y": "acme"}, "shares_tenants": True},
    }
    assert len(settings(**shared).trusted_issuers) == 2


def test_the_only_issuer_need_not_name_its_tenants() -> None:
    (issuer,) = settings(acme={"url": "https://login.acme.example"}).trusted_issuers
    assert issuer.vouches_for is None


@pytest.mark.parametrize(
    "field",
    [
        {"url": ""},
        {"tenant_claim": ""},
        {"introspect": "sometimes"},
        {"misspelt": "x"},
        {"acr_names": {"a": "aal4"}},
        {"audiences": {"customers": ""}},
    ],
)
def test_a_field_that_means_nothing_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(acme={**ACME, **field})


def test_a_fleet_takes_issuers_in_place_of_an_issuer_and_plays_none_itself() -> None:
    fleet = {name: value for name, value in FLEET.items() if name != "issuer"}
    own = f"{FLEET['public_url']}/idp"
    read = Settings.model_validate({**fleet, "issuers": {"acme": {**ACME, "url": own}}})
    assert (read.token_issuer, read.mock_issuer) == (own, None)


def test_the_mock_provider_is_played_where_it_is_one_of_several() -> None:
    mock = {"url": "http://127.0.0.1:8080/idp", "tenant": "demo"}
    assert settings(acme=ACME, mock=mock).mock_issuer == mock["url"]
    assert settings(acme=ACME).mock_issuer is None


def test_secrets_of_issuers_are_shown_by_no_text() -> None:
    read = settings(acme={**ACME, "client_id": "suite", "client_secret": "hunter2hunter2"})
    for text in (repr(read), read.model_dump_json(), repr(read.trusted_issuers)):
        assert "hunter2" not in text
