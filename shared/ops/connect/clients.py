"""The clients we know how to configure, and where each keeps its configuration."""

import sys
from enum import StrEnum
from pathlib import Path

from shared.core.errors import Misconfigured


class Client(StrEnum):
    """By the name that `mcp-suite connect` takes."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    INSPECTOR = "inspector"
    MCP_REMOTE = "mcp-remote"

    @property
    def key(self) -> str:
        """Under which its file has the servers."""
        return "servers" if self is Client.VSCODE else "mcpServers"


_OF_PROJECT = {
    Client.CLAUDE_CODE: ".mcp.json",
    Client.CURSOR: ".cursor/mcp.json",
    Client.VSCODE: ".vscode/mcp.json",
}
_OF_USER = {
    Client.CLAUDE_DESKTOP: "Claude/claude_desktop_config.json",
    Client.VSCODE: "Code/User/mcp.json",
}
_FOLDERS = {"darwin": "Library/Application Support", "win32": "AppData/Roaming"}


def file_of(client: Client, home: Path, project: Path | None = None, platform: str = sys.platform) -> Path:
    """Where the client keeps its configuration.

    Args:
        client: Whose.
        home: Of the user.
        project: A folder, for the file that only counts there; without it the file of the user.
        platform: As `sys.platform` names it.

    Raises:
        Misconfigured: There is none that we should write; says what to do instead.
    """
    if project is not None:
        if client in _OF_PROJECT:
            return project / _OF_PROJECT[client]
        raise Misconfigured(f"{client} has no file of a project: leave --project out")
    if client is Client.CURSOR:
        return home / ".cursor" / "mcp.json"
    if client in _OF_USER:
        return home / _FOLDERS.get(platform, ".config") / _OF_USER[client]
    if client is Client.CLAUDE_CODE:  # ~/.claude.json holds its state as well, and it writes that file all the time
        raise Misconfigured("claude-code keeps its own file: run the commands that are printed, or add --project")
    raise Misconfigured(f"{client} keeps no configuration file; run the command that is printed")
