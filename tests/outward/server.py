from pathlib import Path

from shared.core.server import Server
from tests.outward.tools import tools

server = Server(
    name="outward",
    title="Outward",
    version="1.0.0",
    instructions="For the story of a leak alone.",
    tools=tools,
    baseline=("outward:read",),
    policy=Path(__file__).with_name("policy.cedar"),
    migrations=Path(__file__).parent / "migrations",
)
