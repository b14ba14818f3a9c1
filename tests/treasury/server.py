from pathlib import Path

from shared.core.server import Server
from tests.treasury.tools import tools

server = Server(
    name="treasury",
    title="Treasury",
    version="1.0.0",
    instructions="For approvals alone.",
    tools=tools,
    baseline=("treasury:read",),
    policy=Path(__file__).with_name("policy.cedar"),
    migrations=Path(__file__).parent / "migrations",
)
