"""How a client reaches a server, as its configuration says it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.connect.clients import Client

MCP_REMOTE = "mcp-remote@0.15.1"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
"""The releases that our tests drive."""

TOKEN = "MCP_SUITE_TOKEN"  # noqa: S105 - the name of a variable, which is no setting of ours
TOKEN_INPUT: dict[str, Any] = {
    "type": "promptString",
    "id": "suite-token",
    "description": "Access token of the Enterprise MCP Suite",
    "password": True,
}
"""What VS Code asks its user for, once, and keeps in its secret storage."""

_TOKENS = {
    Client.CLAUDE_CODE: f"${{{TOKEN}}}",
    Client.CURSOR: f"${{env:{TOKEN}}}",
    Client.VSCODE: f"${{input:{TOKEN_INPUT['id']}}}",
}


@dataclass(frozen=True)
class Way:
    """How one server is reached: at a URL, or started by the client itself.

    Attributes:
        server: Its name.
        url: Of its endpoint; None if the client starts it and speaks over stdio.
        environment: What a server that is started needs to find the same data; never a secret.
        bearer: The client sends a token of its user's, instead of signing in.
        header_file: For clients that read headers from a file (`mcp-remote`).
    """

    server: str
    url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    bearer: bool = False
    header_file: Path | None = None

    @property
    def name(self) -> str:
        """What the client calls it."""
        return f"suite-{self.server}"

    @property
    def command(self) -> list[str]:
        """What starts it: an absolute path, since a desktop client has another PATH than a shell."""
        return [program(), "serve", self.server, "--stdio"]


def program() -> str:
    """The absolute path of `mcp-suite`."""
    return str(Path(sys.argv[0]).resolve())


def environment_of(settings: Settings) -> dict[str, str]:
    """Where the data is, if it is not where a server would look by itself; never a secret."""
    default: object = Settings.model_fields["data_dir"].default
    return {} if settings.data_dir == default else {"SUITE_DATA_DIR": str(settings.data_dir.resolve())}


def remote_words(way: Way) -> list[str]:
    """`mcp-remote` between a client that only speaks stdio and a URL."""
    words = ["npx", "-y", MCP_REMOTE, str(way.url), "--transport", "http-only"]
    if way.header_file is not None:
        words += ["--header-file", str(way.header_file)]
    return words


def entry(client: Client, way: Way) -> dict[str, Any]:
    """What the client's file says of one server.

    Raises:
        Misconfigured: The client has no place for a token that is not kept in the file itself.
    """
    if way.url is not None and client in {Client.CLAUDE_DESKTOP, Client.MCP_REMOTE}:
        if way.bearer and way.header_file is None:
            raise Misconfigured(f"{client} would keep the token in its file: name a --header-file, or let it sign in")
        command, *args = remote_words(way)
        return {"command": command, "args": args}
    if way.url is not None:
        headers = {"headers": {"Authorization": f"Bearer {_TOKENS[client]}"}} if way.bearer else {}
        return {"type": "http", "url": way.url, **headers}
    command, *args = way.command
    kind = {} if client is Client.CLAUDE_DESKTOP else {"type": "stdio"}
    environment = {"env": dict(way.environment)} if way.environment else {}
    return {**kind, "command": command, "args": args, **environment}


def configuration(client: Client, ways: list[Way]) -> dict[str, Any]:
    """All that is to be in the client's file for these servers."""
    servers: dict[str, Any] = {client.key: {way.name: entry(client, way) for way in ways}}
    asked = client is Client.VSCODE and any(way.bearer and way.url for way in ways)
    return {"inputs": [TOKEN_INPUT], **servers} if asked else servers
