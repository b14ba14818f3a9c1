"""`mcp-suite bundle`: one server as an MCP bundle (`.mcpb`), which desktop clients install with a click.

A zip of our source, the lock, and `manifest.json` of the specification MCPB 0.4 (github.com/modelcontextprotocol/mcpb),
type `uv`: the host brings uv, and uv brings Python and the locked packages. The same tree makes the same bytes.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import typer

import servers
from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.ops.bundled import DEMO

ROOT = Path(__file__).parents[2]

_MANIFEST = "0.4"
_OLDEST = (1980, 1, 1, 0, 0, 0)  # that a zip can say
_FILE = 0o100644 << 16
_SENTENCE_MOST = 300
_PROJECT = {
    'packages = ["servers", "shared", "compose"]': 'packages = ["servers", "shared"]',
    'default-groups = ["dev"]': "default-groups = []",
}
"""What of pyproject.toml is not for those who only run a server: no tool is installed there."""

Names = Annotated[list[str] | None, typer.Argument(help="Servers; default: all that are served over MCP.")]


def bundle(
    names: Names = None,
    into: Annotated[Path, typer.Option(help="Folder; made if missing.")] = Path("build/bundles"),
) -> None:
    """Build a bundle (.mcpb) of each server, for clients that install servers with a click."""
    into.mkdir(parents=True, exist_ok=True)
    for server in [servers.load(name) for name in names] if names else servers.over_mcp():
        typer.echo(build(server, into))


def build(server: Server, into: Path, root: Path = ROOT) -> Path:
    """Write the bundle of one server.

    Args:
        server: Its declaration.
        into: A folder.
        root: Of the source tree.

    Raises:
        Misconfigured: There is no source tree here, or the server is for browsers.
    """
    if server.web is not None:
        raise Misconfigured(f"{server.name} is used in a browser; a bundle is for programs")
    if not (root / "uv.lock").exists():
        raise Misconfigured(f"{root} is no source tree of the suite: bundles are built from one, by `make bundles`")
    path = into / f"{server.name}.mcpb"
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(contents(server, root).items()):
            info = ZipInfo(name, _OLDEST)
            info.external_attr, info.compress_type = _FILE, ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def contents(server: Server, root: Path) -> dict[str, bytes]:
    """Everything in the bundle, by its path."""
    said = f'from shared.ops.bundled import main\n\nmain("{server.name}")\n'
    made = {
        "manifest.json": (json.dumps(manifest(server, root), indent=2, ensure_ascii=False) + "\n").encode(),
        "main.py": said.encode(),
        "pyproject.toml": _project(root).encode(),
    }
    kept = [root / name for name in ("uv.lock", "LICENSE", "README.md", "servers/__init__.py")]
    kept += [*_source(root / "servers" / server.name), *_source(root / "shared")]
    return made | {path.relative_to(root).as_posix(): path.read_bytes() for path in kept}


def manifest(server: Server, root: Path = ROOT) -> dict[str, Any]:
    """What the host knows of the server before it runs it."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    tools = [{"name": tool.name, "description": _first(tool.description)} for tool in server.tools.tools.values()]
    return {
        "manifest_version": _MANIFEST,
        "name": f"mcp-suite-{server.name}",
        "display_name": server.title,
        "version": project["version"],
        "description": f"{server.title}, of the Enterprise MCP Suite: every call is authorised, limited and recorded.",
        "long_description": server.instructions,
        "author": {"name": "Enterprise MCP Suite"},
        "license": project["license"],
        "server": {"type": "uv", "entry_point": "main.py", "mcp_config": _started()},
        "tools": tools,
        "prompts_generated": bool(server.tools.prompts),
        "compatibility": {
            "platforms": ["darwin", "linux"],  # the embedded PostgreSQL is shared by flock(2)
            "runtimes": {"python": project["requires-python"]},
        },
        "user_config": _asked(),
    }


def _started() -> dict[str, Any]:
    given = ["--frozen", "--no-dev", "--extra", "embedded"]
    return {
        "command": "uv",
        "args": ["run", "--quiet", *given, "--directory", "${__dirname}", "python", "main.py"],
        "env": {
            "SUITE_DATA_DIR": "${user_config.data_dir}",
            "SUITE_DATABASE_URL": "${user_config.database_url}",
            "SUITE_READ_ONLY": "${user_config.read_only}",
            "SUITE_STDIO_TENANT": "${user_config.tenant}",
            DEMO: "${user_config.demo}",
            "UV_NO_INSTALL_PROJECT": "1",  # main.py is beside its packages: nothing has to be built
        },
    }


def _asked() -> dict[str, Any]:
    """What the host asks its user for; every answer may be left as it is."""

    def option(kind: str, title: str, description: str, default: str | bool, **more: bool) -> dict[str, Any]:
        words = {"type": kind, "title": title, "description": description}
        return {**words, "required": False, "default": default, **more}

    folder = "Keys, the audit, and the embedded PostgreSQL. Bundles with the same folder share their data."
    url = "postgresql://… of your own PostgreSQL, as role suite_app. Empty: an embedded one is started."
    return {
        "data_dir": option("directory", "Data folder", folder, "${HOME}/.local/share/mcp-suite"),
        "tenant": option("string", "Tenant", "Whose data you work with.", "acme"),
        "demo": option("boolean", "Demo data", "Fill the embedded database with made-up data.", default=True),
        "read_only": option(
            "boolean", "Read only", "Hide and refuse everything that changes something.", default=False
        ),
        "database_url": option("string", "Database URL", url, "", sensitive=True),
    }


def _project(root: Path) -> str:
    text = (root / "pyproject.toml").read_text("utf-8")
    for ours, theirs in _PROJECT.items():
        if ours not in text:
            raise Misconfigured(f"pyproject.toml does not say {ours}: bring shared/ops/bundle.py up to date with it")
        text = text.replace(ours, theirs)
    return text


def _source(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _first(description: str) -> str:
    """The first sentence, on one line."""
    sentence, dot, _ = " ".join(description.split()).partition(". ")
    return (sentence + dot.strip())[:_SENTENCE_MOST]
