"""For each kind of handle: to everybody it was not given to, it is as one that was never given to anybody."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.state.database import Database
from shared.state.jobs import book
from shared.steps.idempotency import Ledger
from tests.harness import ERAS
from tests.servers.customers.tenant_hop.forgetting import changed, forget_in_cursors
from tests.servers.customers.tenant_hop.people import THIEVES, TWIN
from tests.servers.customers.tenant_hop.rows import ROWS, Owned, owned_by, tried
from tests.servers.customers.tenant_hop.world import Hop

# Nothing here is kept in what there are two of.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("hop", ["redis"], indirect=True, scope="module")]


@pytest.fixture(scope="module")
async def owned(hop: Hop) -> Owned:
    return await owned_by(hop.person())


CASES = [
    pytest.param(name, who, era, id=f"{name}-{who}-{era}")
    for name, row in ROWS.items()
    for who in THIEVES
    for era in ERAS
    if name != "change" or who in row.thieves  # it can be taken back but once
]


@pytest.mark.parametrize(("name", "who", "era"), CASES)
async def test_a_handle_is_nothing_to_those_it_was_not_given_to(
    hop: Hop, owned: Owned, name: str, who: str, era: str
) -> None:
    row = ROWS[name]
    (stolen, made_up), own = await tried(hop, owned, row, who, era)
    assert row.says not in own.text, "the handle was never good"
    if who in row.thieves:
        assert stolen == made_up
        assert row.says in stolen[1]
    else:
        assert row.says not in stolen[1]
        assert row.says in made_up[1]


# Controls: each forgets one thing that a handle is bound to, and the rows that rest on it flip.


def one_tenant_reads(patch: pytest.MonkeyPatch) -> None:
    changed(patch, Database, "reads", 1, lambda _tenant: "acme")


def one_tenant_writes(patch: pytest.MonkeyPatch) -> None:
    """The ledger's claims too: row-level security lets no transaction of one tenant claim for another."""
    changed(patch, Database, "transaction", 1, lambda _tenant: "acme")
    changed(patch, Ledger, "_claim", 1, lambda caller: replace(caller, tenant="acme"))


def one_exporter(patch: pytest.MonkeyPatch) -> None:
    changed(patch, book, "_owner", 0, lambda caller: replace(caller, subject="acme-admin"))


CONTROLS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, tuple[str, ...]]] = {
    "cursors without the tenant": (lambda patch: forget_in_cursors(patch, 0), TWIN, ("cursor",)),
    "cursors without the user": (lambda patch: forget_in_cursors(patch, 2), "a colleague", ("cursor",)),
    "cursors without the client": (lambda patch: forget_in_cursors(patch, 3), "another client", ("cursor",)),
    "reads without the tenant": (
        one_tenant_reads,
        TWIN,
        ("customer", "customer resource", "customer in a prompt", "completion", "job", "part of an export"),
    ),
    "writes without the tenant": (one_tenant_writes, TWIN, ("change",)),
    "exports without the user": (one_exporter, "a colleague", ("job", "part of an export")),
}


@pytest.mark.parametrize("control", CONTROLS)
async def test_the_matrix_sees_it_when_a_handle_is_bound_to_less(
    hop: Hop, owned: Owned, control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget, who, names = CONTROLS[control]
    forget(monkeypatch)
    for name in names:
        (stolen, made_up), _ = await tried(hop, owned, ROWS[name], who, "modern")
        assert stolen != made_up, name
        assert ROWS[name].says not in stolen[1], name
