"""What is wrong with settings is said before anything starts, all of it, and no secret with it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import orjson
import pytest
from typer.testing import CliRunner, Result

from shared.core.safety import RULES, Unsafe
from shared.core.settings import Settings
from shared.ops import config, serving
from shared.ops.cli import app
from shared.ops.config_check import SINGLE
from shared.ops.variables import names
from tests.processes import COMMAND
from tests.shared.ops.unsafe_rows import LAPTOP, PROD, ROWS, SECRET, Row, key, variables

REFUSING = [row for row in ROWS if not row.warns]
Validator: Any = jsonschema.Draft202012Validator
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
EACH_REFUSING = pytest.mark.parametrize("row", REFUSING, ids=lambda row: row.rule)


class Run(Protocol):
    def __call__(self, *arguments: str, **told: str) -> Result: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`mcp-suite config …` with nothing in the environment but what it is told."""
    for name in os.environ:
        if name.startswith("SUITE_") or name in {"DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)

    def runner(*arguments: str, **told: str) -> Result:
        return CliRunner().invoke(config.app, arguments, env=told, catch_exceptions=False)

    return runner


@EACH
def test_each_unsafe_combination_is_found_by_its_name(run: Run, row: Row) -> None:
    told = run("check", **variables(row.base, row.unsafe))
    assert f"{'warning' if row.warns else 'refused'} {row.rule}: " in told.output
    assert told.exit_code == (0 if row.warns else 1)
    assert SECRET not in told.output


@EACH
def test_its_neighbour_is_safe(run: Run, row: Row) -> None:
    told = run("check", **variables(row.base, row.safe))
    assert row.rule not in told.output
    assert told.exit_code == 0, told.output


@EACH_REFUSING
def test_the_server_refuses_to_start_on_what_the_check_refuses(
    run: Run, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    def serve_http(*_: Any, **__: Any) -> None:
        pytest.fail("it serves")

    monkeypatch.setattr(serving, "serve_http", serve_http)
    ended = CliRunner().invoke(app, ["serve", "customers"], env=variables(row.base, row.unsafe))
    assert isinstance(ended.exception, Unsafe)
    assert f"{row.rule}: " in str(ended.exception)
    assert SECRET not in str(ended.exception)


@pytest.mark.parametrize("rule", ["mock-issuer-on-public-address"])
def test_so_does_the_real_one_in_one_sentence(rule: str, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.rule == rule)
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    told = bare | {"SUITE_DATA_DIR": str(tmp_path / "data")} | variables(row.base, row.unsafe)
    ended = subprocess.run(
        [COMMAND, "serve", "customers"], env=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), ended.stderr
    assert ended.stderr.startswith(f"{rule}: ")


def test_no_rule_is_without_a_row_and_each_has_a_name_of_its_own() -> None:
    named = [rule.name for rule in RULES]
    assert len(named) == len(set(named))
    assert {row.rule for row in ROWS} == set(named)
    assert {rule.name for rule in RULES if rule.warns} == {row.rule for row in ROWS if row.warns}
    assert not set(named) & SINGLE.keys()


def test_rules_look_at_settings_that_there_are() -> None:
    unknown = {(rule.name, name) for rule in RULES for name in rule.settings if name not in Settings.model_fields}
    assert not unknown


def test_everything_is_said_at_once(run: Run) -> None:
    broken = {
        "PROFILE": "fleet",
        "PORT": "http",
        "ISSUERS": "{",
        "TRUSTED_PROXIES": "*",
        "PROT": "80",
        "LOG_LEVEL": "x",
    }
    told = run("check", **variables(LAPTOP, broken))
    said = [line.split(":")[0] for line in told.output.splitlines() if not line.startswith(" ")]
    assert said[:-1] == [
        *("refused unknown-setting", "refused not-json", "refused invalid-value", "refused invalid-value"),
        *("refused fleet-incomplete", "refused any-proxy"),
    ]
    missing = next(line for line in told.output.splitlines() if "fleet-incomplete" in line)
    assert "SUITE_PUBLIC_URL" in missing
    assert "SUITE_ISSUER" not in missing, "it is there, though it is no JSON"


def test_a_misspelt_name_is_told_what_it_may_mean(run: Run) -> None:
    told = run("check", SUITE_TLS_CERTIFICATE="/c.pem", SUITE_PORT__X="1", SUITE_SMTP__HOTS="x")
    assert "SUITE_TLS_CERTIFICATE is no setting: do you mean SUITE_TLS__CERTIFICATE?" in told.output
    assert "SUITE_PORT__X is no setting" in told.output
    assert "refused invalid-value: SUITE_SMTP__HOTS: " in told.output
    assert told.exit_code == 1


def test_a_fleet_does_not_start_with_a_misspelt_name_and_a_laptop_does(run: Run, tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["token", "manager"], env=variables(PROD, {"PROT": "1"}))
    assert "unknown-setting: SUITE_PROT is no setting: do you mean SUITE_PORT?" in str(refused.exception)
    laptop = {"SUITE_PROT": "1", "SUITE_DATA_DIR": str(tmp_path)}
    assert CliRunner().invoke(app, ["connect", "cursor"], env=laptop).exit_code == 0


def test_every_setting_there_is_counts_as_known(run: Run) -> None:
    assert "unknown-setting" not in run("check", **dict.fromkeys(names(), "1")).output


def test_commands_may_be_told_more_than_servers(run: Run) -> None:
    owner = next(row for row in ROWS if row.rule == "owner-url-in-server")
    assert run("check", "--job", **variables(owner.base, owner.unsafe)).exit_code == 0


def test_references_that_nobody_looked_up_are_neither_missing_nor_judged(run: Run) -> None:
    vault = {"VAULT__URL": "https://vault.example.com", "VAULT__ROLE": "suite"}
    told = run("check", **variables(PROD, {**vault, "STATE_KEYS": "vault:secret/data/suite#state"}))
    assert told.exit_code == 0, told.output
    url = "postgresql://{vault:database/creds/app#username}:{vault:database/creds/app#password}@db.example.com/suite"
    told = run("check", **variables(PROD, {**vault, "DATABASE_URL": url, "DATABASE_CA": ""}))
    assert "refused database-unencrypted" in told.output


def test_files_of_variables_stand_in_place_of_the_environment_and_later_ones_count(run: Run, tmp_path: Path) -> None:
    one, two = tmp_path / "one.env", tmp_path / "two.env"
    one.write_text("# a comment\n\nSUITE_HOST=0.0.0.0\nSUITE_PORT=1\n")
    two.write_text("SUITE_HOST=127.0.0.1\n")
    assert run("check", "--env-file", str(one), SUITE_PORT="http").output.count("refused") == 1
    assert run("check", "--env-file", str(one), "--env-file", str(two)).exit_code == 0
    explained = run("explain", "--changed", "--env-file", str(one)).output
    assert f"SUITE_PORT=1\n    {one}. Port to listen on.\n" in explained


@pytest.mark.parametrize(("line", "why"), [("SUITE_PORT", "is not NAME=VALUE"), ('SUITE_HOST="::1"', "has quotes")])
def test_a_line_that_programs_read_differently_is_refused(run: Run, tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "odd.env"
    file.write_text(f"SUITE_PORT=1\n{line}\n")
    told = run("check", "--env-file", str(file))
    assert f"refused secret-file: {file}:2 {why}" in told.output
    assert told.exit_code == 1


def test_each_setting_is_explained_with_where_it_came_from_and_no_secret(run: Run, tmp_path: Path) -> None:
    (tmp_path / "suite_audit_keys").write_text(key("a"))
    (tmp_path / "suite_host").write_text("::1\n")
    given = {
        **{
            "SUITE_SECRETS_DIR": str(tmp_path),
            "SUITE_ALLOWED_HOSTS": "a b",
            "DATABASE_URL": f"postgresql://x:{SECRET}@y",
        },
        **{"SUITE_ISSUERS": f'{{"main": {{"url": "https://a", "client_id": "c", "client_secret": "{SECRET}"}}}}'},
        **{"SUITE_STATE_KEYS": "vault:secret/data/suite#state", "SUITE_SMTP__HOST": "localhost"},
    }
    told = run("explain", **given).output
    lines = told.splitlines()
    shown = {line: lines[at + 1].strip().split(". ")[0] for at, line in enumerate(lines) if line.startswith("SUITE_")}
    assert shown["SUITE_ALLOWED_HOSTS=a b"] == "environment"
    assert shown["SUITE_DATABASE_URL=(hidden)"] == "environment"
    assert shown["SUITE_ISSUERS__MAIN__URL=https://a"] == "environment"
    assert shown["SUITE_ISSUERS__MAIN__CLIENT_SECRET=(hidden)"] == "environment"
    assert shown["SUITE_AUDIT_KEYS=(hidden)"] == str(tmp_path / "suite_audit_keys")
    assert shown["SUITE_HOST=(hidden)"] == str(tmp_path / "suite_host"), "nobody knows what a file of secrets holds"
    assert shown["SUITE_STATE_KEYS=(in Vault)"] == "vault:secret/data/suite#state"
    assert shown["SUITE_SMTP__HOST=localhost"] == "environment"
    assert shown["SUITE_PORT=8080"] == "default"
    assert SECRET not in told
    assert key("a") not in told
    changed = [line.split("=")[0] for line in run("explain", "--changed", **given).output.splitlines()]
    assert "SUITE_PORT" not in changed
    assert "SUITE_SMTP__HOST" in changed


def test_every_setting_is_explained(run: Run) -> None:
    told = {line.split("=")[0].split("__")[0] for line in run("explain").output.splitlines() if line[:6] == "SUITE_"}
    assert told == {f"SUITE_{name.upper()}" for name in Settings.model_fields}


def schema_of(run: Run) -> Any:
    schema = orjson.loads(run("schema").output)
    Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        (
            {"SUITE_PORT": 8080, "SUITE_SMTP__HOST": "relay", "SUITE_ISSUERS__A__URL": "https://a", "REDIS_URL": "x"},
            True,
        ),
        ({"SUITE_PORT": 70_000}, False),
        ({"SUITE_PROFILE": "server"}, False),
        ({"SUITE_SMTP__HOTS": "relay"}, False),
        ({"SUITE_PROT": 1}, False),
    ],
)
def test_the_schema_tells_good_settings_from_bad_ones(run: Run, given: Mapping[str, Any], fits: bool) -> None:
    assert Validator(schema_of(run)).is_valid(given) is fits


def test_the_schema_has_every_variable_with_its_meaning_and_nothing_of_this_machine(run: Run) -> None:
    schema = schema_of(run)
    assert set(names()) <= schema["properties"].keys()
    assert all(one.get("description") for one in schema["properties"].values())
    assert str(Path.home()) not in run("schema").output
