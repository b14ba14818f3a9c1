"""A server with the tools, prompts and resources the conformance suite calls by name, built from `shared/` like any."""

from pathlib import Path

from shared.core.server import Server
from tests.conformance.referee import Target
from tests.conformance.server import asking, prompts, resources, working
from tests.conformance.server.tools import SCOPE, tools
from tests.harness import Suite

DECLARING = (asking, prompts, resources, working)
"""What declares itself by being imported, beside the tools."""

server = Server(
    name="everything",
    title="Everything",
    version="1.0.0",
    instructions="For the conformance suite alone.",
    tools=tools,
    baseline=(SCOPE,),
    policy=Path(__file__).parent / "server" / "policy.cedar",
)


def target(suite: Suite, folder: Path) -> Target:
    """The server in a running application, and where to put what is found."""
    token = suite.token("admin", server.name, scopes=[SCOPE])
    return Target(suite.url(server.name), token, folder)
