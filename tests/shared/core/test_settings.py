"""What may be set, under which names, and what is refused before anything starts."""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from tests.processes import COMMAND

KEY = base64.b64encode(b"k" * 32).decode()
FLEET: dict[str, Any] = {
    "profile": "fleet",
    "public_url": "https://mcp.example.com",
    "issuer": "https://login.example.com",
    "database_url": "postgresql://db.example.com/suite?sslmode=verify-full",
    "redis_url": "rediss://cache.example.com",
    "audit_keys": KEY,
    "ledger_keys": KEY,
    "cursor_keys": KEY,
    "session_keys": KEY,
    "state_keys": KEY,
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SUITE_") or name in {"DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)


def fleet(**changes: Any) -> dict[str, Any]:
    return {**FLEET, **changes}


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_a_laptop_needs_no_setting_and_is_reached_by_itself_alone() -> None:
    settings = Settings()
    assert (settings.profile, settings.host, settings.base_url) == ("laptop", "127.0.0.1", "http://127.0.0.1:8080")
    assert settings.token_issuer == "http://127.0.0.1:8080/idp"
    assert (settings.allowed_hosts, settings.allowed_origins) == ((), ())


def test_every_setting_is_read_from_its_name_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, SUITE_PORT="9000", SUITE_DATA_DIR="/data", SUITE_DEADLINE_S="2.5", PORT="1")
    assert (settings.port, settings.data_dir, settings.deadline_s) == (9000, Path("/data"), 2.5)


@pytest.mark.parametrize(("field", "usual"), [("database_url", "DATABASE_URL"), ("redis_url", "REDIS_URL")])
def test_a_service_has_its_usual_name_too_and_ours_goes_first(
    monkeypatch: pytest.MonkeyPatch, field: str, usual: str
) -> None:
    assert getattr(read(monkeypatch, **{usual: "url://usual"}), field).get_secret_value() == "url://usual"
    ours = read(monkeypatch, **{f"SUITE_{usual}": "url://ours"})
    assert getattr(ours, field).get_secret_value() == "url://ours"


def test_other_roles_of_the_database_have_no_usual_name(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, DATABASE_OWNER_URL="x", DATABASE_READER_URL="x")
    assert (settings.database_owner_url, settings.database_reader_url) == (None, None)


@pytest.mark.parametrize("text", ["a.example b.example", "a.example,b.example", " a.example , b.example,, "])
def test_lists_are_words_between_blanks_or_commas(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    environment = {"SUITE_ALLOWED_HOSTS": text, "SUITE_ALLOWED_ORIGINS": text, "SUITE_AUDIT_KEYS": text}
    settings = read(monkeypatch, **environment)
    assert settings.allowed_hosts == settings.allowed_origins == ("a.example", "b.example")
    assert tuple(key.get_secret_value() for key in settings.audit_keys) == ("a.example", "b.example")


def test_an_empty_list_is_empty_and_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, SUITE_STDIO_SCOPES="").stdio_scopes == ()


@pytest.mark.parametrize("name", ["HS256", "hs256", "Hs512", "none", "None", "NONE"])
def test_algorithms_that_would_let_anyone_mint_tokens_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(Misconfigured, match="asymmetric"):
        read(monkeypatch, SUITE_TOKEN_ALGORITHMS=f"ES256,{name}")


@pytest.mark.parametrize("name", ["SUITE_ALLOWED_HOSTS", "SUITE_ALLOWED_ORIGINS"])
def test_a_star_would_switch_a_check_off_and_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(Misconfigured, match="lists of names"):
        read(monkeypatch, **{name: "a.example *"})


def test_a_pool_that_starts_larger_than_it_may_grow_is_refused() -> None:
    with pytest.raises(Misconfigured, match="pool_min"):
        Settings(pool_min=5, pool_max=4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUITE_PROFILE", "server"),
        ("SUITE_PORT", "65536"),
        ("SUITE_BODY_LIMIT_BYTES", "100000000"),
        ("SUITE_TOKEN_MAX_LIFETIME_S", "86401"),
        ("SUITE_CLOCK_SKEW_S", "301"),
        ("SUITE_POOL_MAX", "51"),
        ("SUITE_STATEMENT_TIMEOUT_S", "31"),
        ("SUITE_DEADLINE_S", "0"),
        ("SUITE_CALLS_PER_MINUTE", "0"),
        ("SUITE_REDIS_TIMEOUT_S", "inf"),
    ],
)
def test_values_beyond_their_bounds_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch, **{name: value})


def test_a_fleet_with_all_it_needs_starts() -> None:
    assert Settings(**FLEET).base_url == "https://mcp.example.com"


@pytest.mark.parametrize("left_out", sorted(FLEET.keys() - {"profile"}))
def test_a_fleet_without_one_thing_it_needs_is_told_its_name(left_out: str) -> None:
    given: dict[str, Any] = {name: value for name, value in FLEET.items() if name != left_out}
    with pytest.raises(Misconfigured, match=f"needs SUITE_{left_out.upper()}$"):
        Settings(**given)
    with pytest.raises(Misconfigured, match=f"needs SUITE_{left_out.upper()}$"):
        Settings(**fleet(**given, **{left_out: ""}))


@pytest.mark.parametrize("url", ["http://mcp.example.com", "mcp.example.com", "HTTP://mcp.example.com"])
def test_a_fleet_is_known_by_https_alone(url: str) -> None:
    with pytest.raises(Misconfigured, match="https"):
        Settings(**fleet(public_url=url))


def test_settings_do_not_change_once_read() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.host = "0.0.0.0"
    assert settings.host == "127.0.0.1"


def test_a_copy_with_another_port_is_reached_at_that_port() -> None:
    copy = Settings().model_copy(update={"port": 9000})
    assert (copy.base_url, copy.mock_issuer) == ("http://127.0.0.1:9000", "http://127.0.0.1:9000/idp")


def test_secrets_are_shown_by_no_text_of_the_settings() -> None:
    secret = "hunter2hunter2"
    url = SecretStr(f"scheme://user:{secret}@host")
    key = (SecretStr(secret),)
    settings = Settings(
        database_url=url,
        database_owner_url=url,
        database_reader_url=url,
        redis_url=url,
        audit_keys=key,
        ledger_keys=key,
        cursor_keys=key,
        session_keys=key,
        state_keys=key,
    )
    for text in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert secret not in text
    assert settings.database_url is not None
    assert secret in settings.database_url.get_secret_value()


@pytest.mark.parametrize(
    ("host", "base"), [("::1", "http://[::1]:8080"), ("localhost", "http://localhost:8080")], ids=["IPv6", "name"]
)
def test_the_base_url_names_where_we_listen(host: str, base: str) -> None:
    assert Settings(host=host).base_url == base


def test_the_base_url_has_no_slash_at_its_end_and_the_issuer_keeps_its_own() -> None:
    settings = Settings(public_url="https://mcp.example.com/", issuer="https://login.example.com/")
    assert (settings.base_url, settings.token_issuer) == ("https://mcp.example.com", "https://login.example.com/")


def complaint(tmp_path: Path, **environment: str) -> str:
    """What the command says of bad settings: one line on stderr, exit code 1."""
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    given = bare | {"SUITE_DATA_DIR": str(tmp_path)} | environment
    ended = subprocess.run(
        [COMMAND, "token", "manager"], env=given, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), ended.stderr
    return ended.stderr


def test_the_command_names_every_bad_setting_in_one_sentence_without_its_value(tmp_path: Path) -> None:
    said = complaint(tmp_path, SUITE_PORT="hunter2", SUITE_PROFILE="hunter3", SUITE_POOL_MAX="[red]hunter4[/bold]")
    for name in ("SUITE_PORT", "SUITE_PROFILE", "SUITE_POOL_MAX"):
        assert name in said
    assert "hunter" not in said


def test_the_command_tells_what_a_fleet_lacks_in_one_sentence(tmp_path: Path) -> None:
    secret = "postgresql://app:hunter2@db.example.com/suite"
    said = complaint(tmp_path, SUITE_PROFILE="fleet", DATABASE_URL=secret)
    assert "SUITE_PUBLIC_URL" in said
    assert "hunter2" not in said
