from pathlib import Path

from servers.console import auditing, catalogue, deciding, health, switching
from servers.console.desk import open_desk
from servers.console.notifying import notify
from servers.console.pages import approval, approvals, audit, exporting
from servers.console.pages import catalogue as catalogue_page
from servers.console.pages import health as health_page
from servers.console.tools import tools
from shared.core.server import Server
from shared.core.web import Web

ACTS = (deciding, auditing, catalogue, switching, health)
"""Beside `tools.py`: importing one adds what it declares to the same toolset."""

PAGES = (approvals, approval, audit, exporting, catalogue_page, health_page)
"""Each has `views`."""

PERSONAL = ("customers:pii", "documents:pii", "mail:pii", "tickets:pii")
"""Who holds them is shown what others are shown masked, in what was asked for at these servers."""

_HERE = Path(__file__).parent

server = Server(
    name="console",
    title="Console",
    version="1.0.0",
    instructions="Where people decide what agents may do, and look into what they did. It has no tools for models.",
    tools=tools,
    baseline=("approvals:own",),
    policy=_HERE / "policy.cedar",
    clearances=PERSONAL,
    open=open_desk,
    workers=(notify,),
    web=Web(
        views=tuple(view for page in PAGES for view in page.views),
        templates=_HERE / "templates",
        static=_HERE / "static",
        scopes=(
            *("approvals:own", "approvals:read", "approvals:decide", "audit:read", "audit:export"),
            *("catalogue:read", "switches:write", "health:read", *PERSONAL),
        ),
    ),
)
