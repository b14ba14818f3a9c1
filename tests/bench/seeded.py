"""The customers' table at size, and words that are rare and common in it."""

from pathlib import Path
from typing import Any

from servers.customers import demo
from shared.state.roles import Urls
from shared.state.services import SUITE_REVISIONS
from tests.bench.stores import ROOT, Facts, Stores

_CUSTOMERS = ROOT / "servers" / "customers"
TENANT = "acme"

_COMMON = """
SELECT split_part(term, ' ', 1) AS word, count(*) AS terms FROM customers.search_terms
WHERE tenant_id = $1 AND term ~ '^[a-z]{4,}' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1
"""
_RARE = """
SELECT term, count(*) AS terms FROM customers.search_terms
WHERE tenant_id = $1 AND term ~ '^[a-z]{4,} [a-z]{4,}$' GROUP BY 1 ORDER BY 2, 1 LIMIT 1
"""
_NAME = """
SELECT name, count(*) AS customers FROM customers.customers
WHERE tenant_id = $1 AND name ~ '^[A-Za-z]+ [A-Za-z]+$' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1
"""
_APART = """
SELECT split_part(name, ' ', 2) || ' ' || city AS words, count(*) AS customers FROM customers.customers
WHERE tenant_id = $1 AND name ~ '^[A-Za-z]+ [A-Za-z]+$' AND city ~ '^[A-Za-z]+$'
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1
"""


async def customers(stores: Stores, count: int) -> tuple[Urls, Facts]:
    """`count` customers, half for each tenant, and one query of each kind with how many customers it fits."""

    async def fill(urls: Urls, admin: Any) -> Facts:
        await demo.seed(urls.owner, customers=count, orders=0)
        common, rare = await admin.fetchrow(_COMMON, TENANT), await admin.fetchrow(_RARE, TENANT)
        name, apart = await admin.fetchrow(_NAME, TENANT), await admin.fetchrow(_APART, TENANT)
        return {
            "customers": count,
            "rare": [rare["term"], rare["terms"]],
            "common": [common["word"], common["terms"]],
            "phrase": [name["name"], name["customers"]],
            "apart": [apart["words"], apart["customers"]],
        }

    return await stores.kept(f"customers_{count}", _sources(), fill)


def _sources() -> list[Path]:
    revisions = [*(_CUSTOMERS / "migrations").glob("*.py"), *SUITE_REVISIONS.glob("*.py")]
    return [*revisions, *(_CUSTOMERS / f"{name}.py" for name in ("demo", "demo_words", "search"))]
