"""The page on identity providers: its settings are those the shapes are accepted with, a real suite set so accepts
them, and its command says what it shows.
"""

import re
import shlex
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from compose.idp.provider import IdentityProvider
from compose.idp.shapes import SHAPES
from shared.core.caller import Caller
from shared.core.issuers import Issuer
from shared.core.settings import Settings
from shared.steps.auth import Verifier
from tests.docs.fences import claimed
from tests.harness import Databases, Suite, open_suite
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

BLOCKS = claimed("docs/identity-providers.md", 7)
RESOURCE = "https://mcp.example.com/customers/mcp"
PROVIDERS = [name for name, shape in SHAPES.items() if shape.refused is None and name != "suite"]
EXAMPLES = {"tenants", "scope_names", "role_names"}
"""Tables of which the page shows a part."""


def environment(block: str) -> dict[str, str]:
    """The variables of a block, as a shell would read them."""
    words = [word for line in block.splitlines() for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


ENVIRONMENTS = [environment(text) for text in BLOCKS if text.startswith("SUITE_")]


def issuers(variables: dict[str, str]) -> dict[str, Issuer]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return Settings().issuers


def shown(name: str) -> dict[str, str]:
    """What the page says to set for a provider."""
    (found,) = (one for one in ENVIRONMENTS if f"SUITE_ISSUERS__{name.upper()}__URL" in one)
    return found


def for_mock(name: str, origin: str) -> dict[str, Any]:
    """The page's settings, with the places of the mock provider and of the suite in place of the examples."""
    told = issuers(shown(name))[name].model_dump(exclude_unset=True)
    shape = SHAPES[name]
    here = {"url": shape.issuer(f"{origin}/idp"), "jwks_url": f"{origin}/idp/jwks.json"}
    audiences = {"customers": shape.audience(f"{origin}/customers/mcp")} if "audiences" in told else {}
    # The mock provider says who it is without a slash; another name of it is trusted for a tenant nobody is of.
    mock = {"mock": {"url": f"{origin}/idp", "tenant": "mock"}} if shape.slash else {}
    return {name: {**told, **here, "audiences": audiences}, **mock}


@asynccontextmanager
async def suite_with(name: str, databases: Databases, folder: Path) -> AsyncGenerator[tuple[Suite, list[Caller]]]:
    """A suite set as the page says, and whom it took callers for."""
    callers: list[Caller] = []
    verify = Verifier.verify

    async def noting(verifier: Verifier, authorization: str | None) -> Caller:
        callers.append(await verify(verifier, authorization))
        return callers[-1]

    def settings(origin: str) -> dict[str, Any]:
        return for_mock(name, origin)

    opened = open_suite(await databases.fresh(), folder, issuers=settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verifier, "verify", noting)
        async with opened as suite:
            yield suite, callers


def test_every_block_is_settings_or_a_command_that_is_run() -> None:
    assert all(text.startswith(("SUITE_ISSUERS__", "$ mcp-suite doctor auth")) for text in BLOCKS)
    assert len(ENVIRONMENTS) == len(BLOCKS) - 1 == len(PROVIDERS) + 2


@pytest.mark.parametrize("variables", ENVIRONMENTS, ids=lambda one: next(iter(one)))
def test_settings_can_be_read_and_do_not_contradict_each_other(variables: dict[str, str]) -> None:
    read = issuers(variables)
    assert read
    assert all(issuer.url.startswith("https://") for issuer in read.values())


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_providers_settings_are_those_its_shape_is_accepted_with(name: str) -> None:
    told = issuers(shown(name))[name]
    data: dict[str, Any] = SHAPES[name].accepted_by(told.url, {"customers": RESOURCE})
    accepted = Issuer(**data)
    assert told.model_fields_set == accepted.model_fields_set
    for field in accepted.model_fields_set:
        ours, theirs = getattr(told, field), getattr(accepted, field)
        assert ours.items() <= theirs.items() if field in EXAMPLES else ours == theirs, field


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_suite_set_so_knows_people_and_programs_of_that_provider(
    name: str, databases: Databases, tmp_path: Path
) -> None:
    async with suite_with(name, databases, tmp_path) as (suite, callers):
        signed_in: dict[str, Any] = {"acr": "aal2"}
        for who, claims in (("manager", signed_in), ("acme-sync", {})):
            token = suite.provider.mint(who, suite.url(), shape=name, **claims)
            listed = await suite.post(token, "tools/list", {})
            assert listed.status_code == 200, listed.text
        person, program = callers
        assert (person.tenant, person.trust, person.acr) == ("acme", "person", "aal2")
        assert {"sales", "manager"} <= person.roles
        assert {"customers:read", "customers:write", "customers:pii"} <= person.scopes
        assert not person.may("customers:admin")
        assert (program.tenant, program.trust) == ("acme", "service")
        assert program.may("customers:write")
        assert len({person.subject, person.client, program.client}) == 3


async def test_opaque_tokens_are_asked_about_as_the_page_says(databases: Databases, tmp_path: Path) -> None:
    (told,) = (issuers(one)["main"] for one in ENVIRONMENTS if "SUITE_ISSUERS__MAIN__INTROSPECT" in one)

    def settings(origin: str) -> dict[str, Any]:
        # The provider of the suite finds the same secret in the folder.
        provider = IdentityProvider(
            f"{origin}/idp", resources={f"{origin}/customers/mcp": ["customers:read"]}, keys_dir=tmp_path / "idp"
        )
        client_id, secret = provider.resource_server(f"{origin}/customers/mcp")
        known = {"url": f"{origin}/idp", "client_id": client_id, "client_secret": secret}
        return {"main": {**told.model_dump(exclude_unset=True), **known}}

    async with open_suite(await databases.fresh(), tmp_path, issuers=settings) as suite:
        token = suite.provider.mint("manager", suite.url(), opaque=True)
        assert "." not in token
        assert (await suite.post(token, "tools/list", {})).status_code == 200
        assert (await suite.post(f"{token}x", "tools/list", {})).status_code == 401


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page, and the lines that follow it."""
    for text in BLOCKS:
        for part in f"\n{text}".split("\n$ ")[1:]:
            command, *lines = part.splitlines()
            yield command, lines


def as_shown(expected: list[str], said: list[str]) -> bool:
    """Whether the lines are those, where `…` stands for whatever it was, and on a line of its own for any lines."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "…" else ".+".join(map(re.escape, line.split("…"))) + "\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in said)) is not None


async def test_the_doctor_says_what_the_page_shows(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_logs(monkeypatch)
    ((command, expected),) = commands()
    words = shlex.split(command.partition(" < ")[0])
    assert words[0] == "mcp-suite"
    async with suite_with("keycloak", databases, tmp_path) as (suite, _):
        origin = suite.settings.base_url
        shell = Shell.beside(suite.urls, tmp_path)
        variables = {**shown("keycloak"), "SUITE_ISSUERS__KEYCLOAK__URL": f"{origin}/idp"}
        shell.env |= {"SUITE_PORT": str(suite.settings.port), **variables}
        spoilt: dict[str, Any] = {"aud": "account"}
        for claims, code in (({}, 0), (spoilt, 1)):
            token = suite.provider.mint("manager", suite.url(), shape="keycloak", **claims)
            ended = await shell.run(*words[1:], stdin=token)
            assert ended.exit_code == code, ended.output
    here = {f"{origin}/idp": shown("keycloak")["SUITE_ISSUERS__KEYCLOAK__URL"], f"{origin}/customers/mcp": RESOURCE}
    said = ended.stdout
    for url, example in here.items():
        said = said.replace(url, example)
    assert as_shown(expected, said.splitlines()), said
