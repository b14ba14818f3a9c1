"""The files for dev, stage and prod: accepted by the check, and different only where the page says so."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.ops import config, env_files
from tests.shared.ops.unsafe_rows import APP, RINGS, SECRET, key

ROOT = Path(__file__).parents[2]
FILES = {name: ROOT / "compose" / "environments" / f"{name}.env" for name in ("dev", "stage", "prod")}
PAGE = (ROOT / "docs" / "configure.md").read_text("utf-8")
TOLD = {name: {key: value for key, (value, _) in env_files.read([path]).items()} for name, path in FILES.items()}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    held = {"database_url": APP, "redis_url": f"rediss://:{SECRET}@cache.example.com"}
    held |= {ring.lower(): key(ring) for ring in RINGS}
    for name, value in held.items():
        path = tmp_path / f"suite_{name}"
        path.write_text(value)
        path.chmod(0o400)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_each_is_accepted_once_it_has_its_secrets(name: str, secrets: Path) -> None:
    arguments = ["check", "--env-file", str(FILES[name])]
    told = CliRunner().invoke(config.app, [*arguments, "--secrets-dir", str(secrets)])
    assert (told.exit_code, told.output.count("\n")) == (0, 1), told.output
    alone = CliRunner().invoke(config.app, [*arguments, "--secrets-dir", str(secrets.parent)])
    assert "refused fleet-incomplete" in alone.output


@pytest.mark.parametrize("name", FILES)
def test_the_page_names_every_secret_that_each_needs(name: str, secrets: Path) -> None:
    del name
    assert all(f"`{path.name}`" in PAGE for path in secrets.iterdir())


def test_every_variable_is_in_all_of_them_in_the_same_order() -> None:
    assert [*TOLD["dev"]] == [*TOLD["stage"]] == [*TOLD["prod"]]


def test_they_differ_as_the_page_says_and_nowhere_else() -> None:
    rows = re.findall(r"^\| `(SUITE_\w+)` \| `(\S+)` \| `(\S+)` \| `(\S+)` \|", PAGE, re.MULTILINE)
    said = {name: tuple(values) for name, *values in rows}
    found = {name: tuple(TOLD[each][name] for each in FILES) for name in TOLD["prod"]}
    assert said == {name: values for name, values in found.items() if len(set(values)) > 1}


def test_none_holds_a_secret() -> None:
    held = {name for told in TOLD.values() for name in told if re.search("KEY|SECRET|PASSWORD|TOKEN|_URL$", name)}
    assert held == {"SUITE_PUBLIC_URL", "SUITE_SHARED_URL", "SUITE_ISSUERS__MAIN__URL"}
