"""The work of an export: the rows of one snapshot, read through one cursor.

After a crash it begins anew with a snapshot of its own: parts of two would not fit each other.
"""

from servers.customers import export_queries
from servers.customers.exporting import PART_ROWS, ROWS_MAX, ExportCustomers
from servers.customers.models import Customer
from servers.customers.tools import tools
from shared.core.work import Working

FILTERS = {"status", "segment", "country", "tag"}


@tools.work("export_customers", parts="customers-export://{job_id}/{part}")
async def export(work: Working, query: ExportCustomers) -> None:
    """Keep the customers that fit, as they are in the database: masking is for whoever reads them."""
    await work.restart()
    filters = query.model_dump(mode="json", include=FILTERS, exclude_none=True)
    facets = frozenset(filters)
    async with work.snapshot() as reading:
        found = await reading.row(export_queries.how_many(facets), **filters, limit=ROWS_MAX + 1)
        await work.expect(min(found["found"], ROWS_MAX), truncated=found["found"] > ROWS_MAX)
        page = export_queries.every_customer(facets).plain
        cursor = await reading.connection.cursor(page.sql, *page.values({**filters, "limit": ROWS_MAX}))
        while rows := await cursor.fetch(PART_ROWS):
            await work.keep([Customer(**row).model_dump(mode="json") for row in rows])
