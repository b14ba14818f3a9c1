"""Configurations of MCP clients: printed ready to paste, or merged into the client's file."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.core.errors import Misconfigured
from shared.core.settings import Settings


class Client(StrEnum):
    """The clients we know how to configure."""

    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    INSPECTOR = "inspector"


def command() -> str:
    """The absolute path of `mcp-suite`: a desktop client has another PATH than a shell."""
    return str(Path(sys.argv[0]).resolve())


def entries(
    client: Client, resources: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The client's configuration for each server.

    Args:
        client: Claude Desktop starts servers itself (stdio); the others connect over HTTP and sign in.
        resources: Name of each server → its URL.
        environment: What a server started by the client needs to find the same data.
    """
    if client is Client.CLAUDE_DESKTOP:
        env = {"env": dict(environment)} if environment else {}
        servers = {
            f"suite-{name}": {"command": command(), "args": ["serve", name, "--stdio"], **env} for name in resources
        }
    else:
        servers = {f"suite-{name}": {"type": "http", "url": url} for name, url in resources.items()}
    return {"mcpServers": servers}


def environment_of(settings: Settings) -> dict[str, str]:
    """Where the data is, if it is not where a server would look by itself; never a secret."""
    default: object = Settings.model_fields["data_dir"].default
    return {} if settings.data_dir == default else {"SUITE_DATA_DIR": str(settings.data_dir.resolve())}


def inspector_command(server: str, url: str) -> str:
    """The shell command that lists a server's tools as the manager persona."""
    token = f"Authorization: Bearer $({shlex.quote(command())} token manager --server {server})"
    return f'npx @modelcontextprotocol/inspector --cli {url} --header "{token}" --method tools/list'


def path_of(client: Client, home: Path, platform: str = sys.platform) -> Path:
    """Where the client keeps its configuration.

    Raises:
        Misconfigured: It has none we could write.
    """
    if client is Client.CURSOR:
        return home / ".cursor" / "mcp.json"
    if client is Client.CLAUDE_DESKTOP:
        folders = {"darwin": "Library/Application Support/Claude", "win32": "AppData/Roaming/Claude"}
        return home / folders.get(platform, ".config/Claude") / "claude_desktop_config.json"
    raise Misconfigured(f"{client} keeps no configuration file; run the command that is printed")


def merge(path: Path, wanted: Mapping[str, Any]) -> None:
    """Add our servers to the client's file and leave everything else in it as it is.

    Raises:
        Misconfigured: The file is there but is not a JSON object; it is not touched.
    """
    try:
        current: Any = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError:
        raise Misconfigured(f"{path} is not valid JSON; repair it first") from None
    if not isinstance(current, dict) or not isinstance(current.get("mcpServers", {}), dict):  # pyright: ignore[reportUnknownMemberType]
        raise Misconfigured(f"{path} is not a configuration we understand; nothing was written")
    merged: dict[str, Any] = {**current}
    merged["mcpServers"] = {**merged.get("mcpServers", {}), **wanted["mcpServers"]}
    _replace(path.resolve(), json.dumps(merged, indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(0o600)  # other servers' entries may hold secrets
    draft.write_text(text, "utf-8")
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)
