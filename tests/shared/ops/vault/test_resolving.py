"""Settings that refer to Vault, looked up through the real client at a server that speaks its API."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.core.errors import Misconfigured
from shared.ops.cli import main
from shared.ops.running import parse_settings
from shared.ops.vault.lease import Away
from shared.ops.vault.leases import Leases
from shared.ops.vault.resolving import resolve
from shared.ops.vault.session import Session
from tests.authority import Authority
from tests.shared.ops.vault.vault_server import DENIED, SEALED, Answer, Lent, VaultServer, lent, serving

TOKEN, SECRET = "hvs.the-token", "hunter2hunter2"
V2, V1 = "secret/data/suite", "kv/suite"


@pytest.fixture
def vault() -> Iterator[VaultServer]:
    known = VaultServer(
        held={V2: {"state": SECRET, "number": 7, "empty": "", "tree": {}}, V1: {"state": "from-v1"}},
        database={"database/creds/app": (3600, 7200)},
        approles={"role-1": "secret-1"},
        pods={"suite": "pod-jwt"},
    )
    known.tokens[TOKEN] = _for_ever()
    with serving(known):
        yield known


def _for_ever() -> Lent:
    return lent(10**6, 10**6)


def asked(vault: VaultServer, **variables: str) -> dict[str, str]:
    told = {"SUITE_VAULT__URL": vault.url, "SUITE_VAULT__START_S": "0.5", **variables}
    return resolve(told, Leases())


def by_token(vault: VaultServer, **variables: str) -> dict[str, str]:
    return asked(vault, SUITE_VAULT__TOKEN=TOKEN, **variables)


def test_a_key_of_either_version_of_the_engine_is_looked_up(vault: VaultServer) -> None:
    found = by_token(vault, A=f"vault:{V2}#state", B=f"vault:{V1}#state", C=f"vault:{V2}#number", D="plain")
    assert found == {"A": SECRET, "B": "from-v1", "C": "7"}
    assert vault.asked.count(f"GET {V2}") == 1, "one path is read once"


def test_a_user_and_its_password_are_of_one_lease_and_fit_into_a_url(vault: VaultServer) -> None:
    role = "vault:database/creds/app"
    found = by_token(vault, A=f"postgresql://{{{role}#username}}:{{{role}#password}}@db/suite")
    assert found["A"].startswith("postgresql://v-app-1:p%40ss%2F")
    assert found["A"].endswith("@db/suite")
    assert vault.asked.count("GET database/creds/app") == 1


def test_each_way_to_sign_in_works(vault: VaultServer, tmp_path: Path) -> None:
    token, jwt = tmp_path / "token", tmp_path / "jwt"
    token.write_text(f"{TOKEN}\n")
    jwt.write_text("pod-jwt")
    vault.wrapped["hvs.wrapping"] = {"secret_id": "secret-1"}
    ways = [
        {"TOKEN_FILE": str(token)},
        {"ROLE_ID": "role-1", "SECRET_ID": "secret-1"},
        {"ROLE_ID": "role-1", "SECRET_ID": "hvs.wrapping", "SECRET_ID_WRAPPED": "true"},
        {"ROLE_ID": "role-1", "SECRET_ID": "secret-1", "AUTH_MOUNT": "machines"},
        {"ROLE": "suite", "JWT_FILE": str(jwt)},
    ]
    for way in ways:
        told = {f"SUITE_VAULT__{name}": value for name, value in way.items()}
        assert asked(vault, A=f"vault:{V2}#state", **told) == {"A": SECRET}
    assert "POST auth/machines/login" in vault.asked
    assert vault.tokens.keys() == {TOKEN}, "a token that nothing was lent on is given back at once; a given one stays"


def test_a_namespace_is_said(vault: VaultServer) -> None:
    vault.namespace = "team-a"
    assert by_token(vault, A=f"vault:{V2}#state", SUITE_VAULT__NAMESPACE="team-a") == {"A": SECRET}
    with pytest.raises(Misconfigured, match="nothing"):
        by_token(vault, A=f"vault:{V2}#state")


def test_the_token_of_whoever_starts_us_is_not_used(vault: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    with pytest.raises(Misconfigured, match="one way to sign in"):
        asked(vault, A=f"vault:{V2}#state")
    told = {"SUITE_VAULT__ROLE_ID": "role-1", "SUITE_VAULT__SECRET_ID": "secret-1"}
    assert asked(vault, A=f"vault:{V2}#state", **told) == {"A": SECRET}
    assert TOKEN not in vault.shown


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (f"vault:{V2}#missing", f"A is vault:{V2}#missing, and no text is there; keys at that path: empty, number"),
        (f"vault:{V2}#empty", "no text is there"),
        (f"vault:{V2}#tree", "no text is there"),
        ("vault:secret/suite#state", "there is nothing; of a versioned engine the path has `data` in it"),
        ("vault:secret/data/suite", "not as vault:PATH#KEY"),
        ("vault:a#b vault:c#d", "not as vault:PATH#KEY"),
        ("x{vault:a#b", "not as vault:PATH#KEY"),
    ],
)
def test_what_cannot_be_looked_up_is_told_by_its_variable_and_path(
    vault: VaultServer, reference: str, why: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        by_token(vault, A=reference)
    assert why in str(refused.value)
    assert str(refused.value).startswith("A ")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"TOKEN": "hvs.other"}, "permission denied"),
        ({"ROLE_ID": "role-1", "SECRET_ID": SECRET}, "a wrong id or secret"),
        ({"ROLE_ID": "role-1", "SECRET_ID": "hvs.used", "SECRET_ID_WRAPPED": "true"}, "take it for stolen"),
        ({"ROLE_ID": "role-1"}, "role_id and vault.secret_id go together"),
        ({"TOKEN": TOKEN, "ROLE": "suite"}, "vault.token and vault.role"),
        ({"ROLE": "suite", "JWT_FILE": "/nowhere"}, "cannot read /nowhere: SUITE_VAULT__JWT_FILE"),
        ({"TOKEN": "vault:a#b"}, "is needed to reach it"),
        ({"TOKEN": TOKEN, "URL": "http://vault.example.com"}, "in the clear"),
    ],
)
def test_who_cannot_sign_in_is_told_why_without_the_secret(vault: VaultServer, given: dict[str, str], why: str) -> None:
    told = {f"SUITE_VAULT__{name}": value for name, value in given.items()}
    with pytest.raises(Misconfigured) as refused:
        asked(vault, A=f"vault:{V2}#state", **told)
    assert why in str(refused.value)
    assert not any(secret in str(refused.value) for secret in (SECRET, "hvs."))


@pytest.mark.parametrize("passing", [SEALED, (500, {"errors": [SECRET]}), (429, {"errors": []})], ids=str)
def test_a_vault_that_is_away_for_a_moment_is_asked_again(vault: VaultServer, passing: Answer) -> None:
    vault.refuse_next = [passing]
    told = by_token(vault, A=f"vault:{V2}#state", SUITE_VAULT__START_S="30")
    assert told == {"A": SECRET}


def test_one_that_stays_away_is_given_up_in_bounded_time(vault: VaultServer) -> None:
    vault.sealed = True
    with pytest.raises(Misconfigured, match=r"does not answer .*VaultDown"):
        by_token(vault, A=f"vault:{V2}#state")
    assert 1 < len(vault.asked) < 10


def test_one_that_says_no_is_not_asked_again(vault: VaultServer) -> None:
    vault.refuse_next = [DENIED]
    with pytest.raises(Misconfigured, match="permission denied"):
        by_token(vault, A=f"vault:{V2}#state", SUITE_VAULT__START_S="30")
    assert len(vault.asked) == 1


def test_a_token_that_cannot_be_given_back_keeps_nobody_from_starting(
    vault: VaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_session: Session) -> None:
        raise Away("no answer")

    monkeypatch.setattr(Session, "give_back", away)
    assert by_token(vault, A=f"vault:{V2}#state") == {"A": SECRET}


def test_a_redirect_is_not_followed_with_our_token(vault: VaultServer) -> None:
    with serving(VaultServer()) as elsewhere:
        vault.refuse_next = [(307, {"location": f"{elsewhere.url}/v1/{V2}"})]
        with pytest.raises(Misconfigured, match="HTTP 307"):
            by_token(vault, A=f"vault:{V2}#state")
        assert elsewhere.asked == []


def test_what_was_lent_before_something_failed_is_given_back(vault: VaultServer) -> None:
    told = {"SUITE_VAULT__ROLE_ID": "role-1", "SUITE_VAULT__SECRET_ID": "secret-1"}
    with pytest.raises(Misconfigured, match="no text"):
        asked(vault, A="vault:database/creds/app#username", B=f"vault:{V2}#missing", **told)
    assert (vault.leases, vault.tokens.keys()) == ({}, {TOKEN})


def test_vault_is_known_by_its_certificate(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "other").mkdir()
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    pair = ours.sign("server", "127.0.0.1")
    known = VaultServer(held={V2: {"state": SECRET}}, tokens={TOKEN: _for_ever()})
    with serving(known, pair.certificate, pair.key):
        assert by_token(known, A=f"vault:{V2}#state", SUITE_VAULT__CA=str(ours.file)) == {"A": SECRET}
        for wrong in ({}, {"SUITE_VAULT__CA": str(other.file)}):
            with pytest.raises(Misconfigured, match="set SUITE_VAULT__CA"):
                by_token(known, A=f"vault:{V2}#state", **wrong)


def test_settings_have_what_vault_has_and_show_it_nowhere(vault: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"SUITE_VAULT__URL": vault.url, "SUITE_VAULT__TOKEN": TOKEN, "SUITE_STATE_KEYS": f"vault:{V2}#state"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = parse_settings()
    assert settings.state_keys == (SecretStr(SECRET),)
    assert SECRET not in repr(settings)
    assert TOKEN not in repr(settings)


def test_no_command_prints_what_vault_has(
    vault: VaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"URL": vault.url, "TOKEN": TOKEN}
    wrong = {"SUITE_DATA_DIR": str(tmp_path), "SUITE_PORT": f"vault:{V2}#state", "SUITE_LOG_LEVEL": "DEBUG"}
    for name, value in {**wrong, **{f"SUITE_VAULT__{name}": value for name, value in told.items()}}.items():
        monkeypatch.setenv(name, value)
    for arguments in (["config", "check", "--resolve"], ["config", "explain"], ["token", "manager"]):
        monkeypatch.setattr(sys, "argv", ["mcp-suite", *arguments])
        with pytest.raises(SystemExit):
            main()
        said = "".join(capsys.readouterr())
        assert "SUITE_PORT" in said
        assert SECRET not in said
        assert TOKEN not in said
