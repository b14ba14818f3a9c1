"""What a person runs, or clicks, to have a client know a server."""

import json
import shlex
from base64 import b64encode
from urllib.parse import quote

from shared.ops.connect.clients import Client
from shared.ops.connect.entries import INSPECTOR, TOKEN, Way, entry, program, remote_words


def command(client: Client, way: Way) -> str | None:
    """One line for one server; None for clients that know nothing but their file."""
    match client:
        case Client.CLAUDE_CODE:
            return _claude_code(way)
        case Client.VSCODE:
            told = {"name": way.name, **entry(client, Way(way.server, way.url, way.environment))}
            return f"code --add-mcp {shlex.quote(json.dumps(told))}"
        case Client.CURSOR:
            config = b64encode(json.dumps(entry(client, way)).encode()).decode()
            return (
                f"cursor://anysphere.cursor-deeplink/mcp/install?name={quote(way.name)}&config={quote(config, safe='')}"
            )
        case Client.INSPECTOR:
            return _inspector(way)
        case Client.MCP_REMOTE:
            return shlex.join(remote_words(way))
        case _:
            return None


def _claude_code(way: Way) -> str:
    """Options come before the name; `--env` takes as many words as it is given, so another option follows it."""
    if way.url is None:
        given = [word for name, value in way.environment.items() for word in ("--env", f"{name}={value}")]
        words = [
            "claude",
            "mcp",
            "add",
            *given,
            "--transport",
            "stdio",
            "--scope",
            "user",
            way.name,
            "--",
            *way.command,
        ]
        return shlex.join(words)
    words = ["claude", "mcp", "add", "--transport", "http", "--scope", "user", way.name, way.url]
    header = f' --header "Authorization: Bearer ${TOKEN}"' if way.bearer else ""
    return shlex.join(words) + header


def _inspector(way: Way) -> str:
    """Lists the server's tools: as the manager of the mock provider, or with a token of one's own."""
    words = ["npx", "-y", INSPECTOR, "--cli"]
    if way.url is None:
        given = [word for name, value in way.environment.items() for word in ("-e", f"{name}={value}")]
        return shlex.join([*words, *way.command, *given, "--method", "tools/list"])
    token = f"${TOKEN}" if way.bearer else f"$({shlex.quote(program())} token manager --server {way.server})"
    header = f'--header "Authorization: Bearer {token}"'
    return f"{shlex.join([*words, way.url])} {header} --method tools/list"
