from pathlib import Path

from servers.links.tools import tools
from shared.core.server import Server

server = Server(
    name="links",
    title="Links",
    version="1.0.0",
    instructions="Links a team keeps. Find one with find_links before you save another with save_link.",
    tools=tools,
    baseline=("links:read",),
    policy=Path(__file__).with_name("policy.cedar"),
    migrations=Path(__file__).parent / "migrations",
)
