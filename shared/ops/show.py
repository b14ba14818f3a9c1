"""What `mcp-suite up` shows: where everything is, who one may be, and then every call as it happens."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from compose.idp.personas import PERSONAS
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.ops.connect.clients import Client
from shared.ops.connect.commands import command
from shared.ops.connect.entries import Way, configuration, environment_of

_SHOWN_KINDS = {"call", "outcome", "refusals"}
_MS_US = 1000
_REFUSED = {"missing": "no token"}
"""Reasons whose word alone does not say what of."""


def welcome(console: Console, settings: Settings, where: Mapping[str, Address]) -> None:
    """Personas, ready-to-paste configurations, and last, where it stays to be seen, where everything is."""
    endpoints = Table("endpoint", "url", title="Enterprise MCP Suite", title_justify="left")
    for name, address in where.items():
        endpoints.add_row(name, address.resource)
    endpoints.add_row("identity provider", " ".join(issuer.url for issuer in settings.trusted_issuers))
    endpoints.add_row("health", f"{settings.base_url}/readyz")
    if settings.smtp.host is None:
        endpoints.add_row("mails, delivered to nobody", f"{settings.base_url}/mail-sink")
    if settings.mock_issuer is not None:
        console.print(_personas())
    started = [Way(name, environment=environment_of(settings)) for name, address in where.items() if address.is_mcp]
    reached = [Way(name, address.resource) for name, address in where.items() if address.is_mcp]
    console.print(Text("Claude Desktop  (mcp-suite connect claude-desktop --write)", style="bold"))
    console.print_json(data=configuration(Client.CLAUDE_DESKTOP, started))
    console.print(Text("Cursor  (mcp-suite connect cursor --write)", style="bold"))
    console.print_json(data=configuration(Client.CURSOR, reached))
    console.print(Text("Inspector", style="bold"))
    for way in reached:
        console.print(Text(f"{command(Client.INSPECTOR, way)}"), soft_wrap=True)
    console.print(endpoints)
    console.print(Text("\nCalls are shown here as they happen. Ctrl-C ends everything.", style="dim"))


def _personas() -> Table:
    personas = Table("persona", "tenant", "scopes", "who", title="Sign in as", title_justify="left")
    for key, persona in PERSONAS.items():
        personas.add_row(key, persona.tenant, " ".join(persona.scopes), persona.summary)
    return personas


def call_line(record: Mapping[str, Any]) -> Text | None:
    """One line for a call: when, who, what, outcome, milliseconds; None for records nobody watches."""
    if record["kind"] not in _SHOWN_KINDS:
        return None
    if record["kind"] == "refusals":
        counted = Counter[str]()
        for found in record["refusals"]:
            counted[found["reason"]] += found["count"]
        refused = ", ".join(f"{count} × {_REFUSED.get(reason, reason)}" for reason, count in counted.items())
        return Text(f"{record['at'][11:19]}  refused at the edge: {refused}", style="yellow")
    outcome = "replayed" if record.get("replayed") and record["outcome"] == "ok" else record["outcome"]
    style = "green" if record["outcome"] == "ok" else "yellow"
    return Text.assemble(
        f"{record['at'][11:19]}  {_printable(record['tenant'])}/{_printable(record['subject']):<22} ",
        f"{record['server']}.{_printable(record['target']):<28} ",
        (f"{outcome:<16}", style),
        f"{record['duration_us'] / _MS_US:8.1f} ms",
    )


def _printable(text: str) -> str:
    """Somebody else chose this text: no control characters reach the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)[:60]
