from pathlib import Path

from servers.customers.tools import tools
from shared.core.server import Server

server = Server(
    name="customers",
    title="Customers",
    version="1.0.0",
    instructions=(
        "The customer database: look up, search, read orders, create and update. Start with search_customers "
        "unless you have an id like C-000042. Read a customer before you change it, and pass its version. Send an "
        "idempotency_key with every write, and repeat the call with the same key if you do not know whether it "
        "went through. E-mail, phone and street are masked unless the caller holds customers:pii."
    ),
    tools=tools,
    baseline=("customers:read",),
    migrations=Path(__file__).parent / "migrations",
)
