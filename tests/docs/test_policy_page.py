"""The page on policies: the statement it adds takes a tool from one tenant, and from nobody else."""

from pathlib import Path

import pytest

from tests.docs.fences import claimed
from tests.shell import Shell, keep_logs

[ADDED] = claimed("docs/policy.md", 1)
EXPLAIN = ("policy", "explain", "customers.export_customers", "--as", "admin", "--arguments", '{"country": "DE"}')


@pytest.mark.anyio
async def test_a_policy_more_takes_the_tool_from_that_tenant_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_logs(monkeypatch)
    name = ADDED.splitlines()[0].removeprefix("// ")
    (tmp_path / name).write_text(ADDED)
    shell = Shell({"SUITE_POLICY_DIR": str(tmp_path), "SUITE_DATA_DIR": str(tmp_path / "data")})
    assert (await shell.does(*EXPLAIN))[-1].startswith("So: allow")
    theirs = await shell.does(*EXPLAIN, "--tenant", "globex")
    assert theirs[-1].startswith("So: hidden")
    assert any("globex-exports-nothing" in line for line in theirs)
    assert any("Globex has not bought exports." in line for line in theirs)
