"""The page on configuring: its commands say what it shows."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.ops import config
from tests.docs.fences import claimed
from tests.shared.ops.unsafe_rows import APP, RINGS, SECRET, key

ROOT = Path(__file__).parents[2]
BLOCKS = claimed("docs/configure.md", 2)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_check_says_what_the_page_shows(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "compose" / "environments", tmp_path / "compose" / "environments")
    (tmp_path / "secrets").mkdir()
    held = {"database_url": APP, "redis_url": f"rediss://:{SECRET}@cache.example.com"}
    for name, value in {**held, **{ring.lower(): key(ring) for ring in RINGS}}.items():
        path = tmp_path / "secrets" / f"suite_{name}"
        path.write_text(value)
        path.chmod(0o400)
    (tmp_path / "mistakes.env").write_text(f"SUITE_TRUSTED_PROXYS=10.0.0.1\nSUITE_AUDIT_KEYS={key('STATE_KEYS')}\n")
    monkeypatch.chdir(tmp_path)
    command, _, said = block.partition("\n")
    told = CliRunner().invoke(config.app, command.split()[3:])
    assert told.output.strip() == said.strip()
    assert told.exit_code == ("refused" in said)
