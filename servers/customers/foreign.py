"""What the server offers over a company's own database. All of it reads: notes, changes, merges and exports need
tables of this server and are not there.
"""

from dataclasses import replace
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from servers.customers.contacts import CONTACT, resolve_contacts
from servers.customers.models import Found, Search
from servers.customers.scanning import scan
from servers.customers.tools import tools as own
from servers.customers.views import TABLES
from shared.core.errors import Unavailable
from shared.core.tool import Call, Tool
from shared.core.toolset import Toolset
from shared.core.views import Views

log = structlog.get_logger("customers")

_DESCRIPTIONS = {
    "get_customer": "Read one customer by id: contact data, address, status, segment and tags. Use it when you know "
    "the id. Without the id use search_customers; for several ids get_customers. E-mail, phone and street are masked "
    "unless you hold customers:pii.",
}
"""Where the server's own words name a tool that is not here."""


async def search_customers(call: Call, query: Search) -> Found:
    """Find customers by parts of words of their name, company, city or tags, or by id; case does not matter, accents
    do. All words must be there, each wherever it stands. Sorted by name. Narrow with status, segment, country or tag
    rather than paging on. By e-mail or phone only with customers:pii. Not for reading a known id (get_customer) and
    not for orders (list_customer_orders).
    """
    return await scan(call, query)


def _checked(tool: Tool) -> Tool:
    """The tool, with a sentence for rows that are outside the contract; their values stay out of the logs."""

    async def run(call: Call, query: Any) -> BaseModel:
        try:
            return await tool.run(call, query)
        except ValidationError as error:
            fields = sorted({".".join(map(str, found["loc"])) for found in error.errors(include_input=False)})
            log.error("rows are outside the contract; run `mcp-suite doctor customers`", fields=fields)
            raise Unavailable(
                f"The company's data has values this server does not know, in {', '.join(fields)}. Ask for other "
                "customers; its operator has to look at it (mcp-suite doctor customers)."
            ) from None

    return replace(tool, run=run, description=_DESCRIPTIONS.get(tool.name, tool.description))


def _offered() -> Toolset:
    offered = Toolset()
    offered.read("customers:read")(search_customers)
    offered.read(CONTACT)(resolve_contacts)
    reads = ("get_customer", "get_customers", "search_customers", "list_customer_orders", "get_order")
    everything = {**own.tools, **offered.tools}
    offered.tools = {name: _checked(everything[name]) for name in (*reads, resolve_contacts.__name__)}
    for uri in ("customer://{customer_id}", "customer://{customer_id}/orders"):
        # Not watchable: nobody tells us when a company's own programs change its data.
        offered.resources[uri] = replace(own.resources[uri], tool=_checked(own.resources[uri].tool), watchable=False)
    return offered


views = Views(
    tables=TABLES,
    tools=_offered(),
    instructions=(
        "The customer database of the company, to read: look up, search, read orders. Start with search_customers "
        "unless you have an id like C-000042. Nothing can be changed here. E-mail, phone and street are masked unless "
        "the caller holds customers:pii."
    ),
    trials={
        "get_customer": {"customer_id": "{id}"},
        "list_customer_orders": {"customer_id": "{id}"},
        "search_customers": {"query": "{id}"},
    },
)
