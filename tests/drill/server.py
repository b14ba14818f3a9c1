from pathlib import Path

from shared.core.server import Server
from tests.drill.tools import tools

server = Server(
    name="drill",
    title="Drill",
    version="1.0.0",
    instructions="For drills alone.",
    tools=tools,
    baseline=("drill:read",),
    policy=Path(__file__).with_name("policy.cedar"),
    migrations=Path(__file__).parent / "migrations",
)
