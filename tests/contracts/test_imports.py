"""The direction of imports is part of the design: it is what keeps a call readable from tools to wire."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("servers", "shared", "compose") for path in (ROOT / room).rglob("*.py"))

LAYERS = ("core", "state", "steps", "pipeline", "edge", "parts", "workers", "domains", "app", "ops")
SERVERS_MAY = (
    *("shared.core", "shared.steps.redaction", "shared.steps.untrusted"),
    *("shared.state.database", "shared.edge.outbound"),
)
CONSOLE_MAY = (
    *("shared.state.approvals", "shared.state.switch_table", "shared.state.switches", "shared.steps.audit"),
    *("shared.steps.policy", "shared.steps.stopping"),
)
"""The console decides, stops and looks: it works on what the others only pass."""
MCP_MAY = ("shared/edge/", "shared/steps/auth.py")
MIGRATIONS_MAY = "shared.state.migrate"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: path equals import, so imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> int | None:
    parts = module.split(".")
    return LAYERS.index(parts[1]) if parts[0] == "shared" and len(parts) > 1 and parts[1] in LAYERS else None


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_imports_only_from_its_layer_or_below(path: Path) -> None:
    own = layer(module_of(path))
    if own is None:
        return
    above = [name for name in imports(path) if (found := layer(name)) is not None and found > own]
    assert above == []


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_servers_import_neither_each_other_nor_the_machinery(path: Path) -> None:
    module = module_of(path)
    if not module.startswith("servers.") or module == "servers.__init__":
        return
    own = ".".join(module.split(".")[:2])
    allowed = (own, *SERVERS_MAY, *(CONSOLE_MAY if own == "servers.console" else ()))
    if ".migrations." in module:
        allowed = (*allowed, MIGRATIONS_MAY)
    ours = [name for name in imports(path) if name.startswith(("servers", "shared", "compose"))]
    assert [name for name in ours if not name.startswith(allowed)] == []


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_mcp_is_imported_only_at_the_edge(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    found = [name for name in imports(path) if name.split(".")[0] in {"mcp", "mcp_types"}]
    assert not found or where.startswith(MCP_MAY), found


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_core_imports_nothing_of_ours_but_core(path: Path) -> None:
    if not module_of(path).startswith("shared.core."):
        return
    ours = [name for name in imports(path) if name.startswith(("servers", "shared", "compose"))]
    assert [name for name in ours if not name.startswith("shared.core")] == []


def test_only_the_command_line_knows_the_mock_identity_provider() -> None:
    for path in SOURCES:
        if module_of(path).startswith(("servers.", "shared.")) and not module_of(path).startswith("shared.ops."):
            assert not [name for name in imports(path) if name.startswith("compose")], path
