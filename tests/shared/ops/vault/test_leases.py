"""What Vault lent is renewed for as long as the process lives; when it cannot be, somebody hears of it in time."""

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from shared.core.errors import Unavailable
from shared.core.metrics import VAULT_LEASE_EXPIRY, VAULT_RENEWALS
from shared.ops.vault.leases import Leases
from shared.ops.vault.resolving import resolve
from tests.shared.ops.vault.vault_server import DENIED, VaultServer, lent, serving

pytestmark = pytest.mark.anyio

PATH = "database/creds/app"


@pytest.fixture
def vault() -> Generator[VaultServer]:
    known = VaultServer(database={PATH: (1, 3600)}, approles={"role-1": "secret-1"})
    with serving(known):
        yield known


def borrowed(vault: VaultServer) -> Leases:
    told = {"SUITE_VAULT__URL": vault.url, "SUITE_VAULT__ROLE_ID": "role-1", "SUITE_VAULT__SECRET_ID": "secret-1"}
    leases = Leases()
    resolve({**told, "A": f"{{vault:{PATH}#username}}:{{vault:{PATH}#password}}"}, leases)
    return leases


async def until(found: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not found():
            await anyio.sleep(0.02)


@asynccontextmanager
async def kept(leases: Leases, end: Callable[[], None] | None = None) -> AsyncGenerator[None]:
    async with leases.renewing(end):
        yield
    leases.give_back()


async def test_leases_are_renewed_before_they_end_and_given_back_at_the_end(vault: VaultServer) -> None:
    leases = borrowed(vault)
    before = VAULT_RENEWALS.value(PATH, "renewed")
    async with kept(leases):
        first = dict(VAULT_LEASE_EXPIRY.read())[PATH,]
        await until(lambda: VAULT_RENEWALS.value(PATH, "renewed") >= before + 3)
        (lease,) = vault.leases.values()
        assert lease.left_s > 0
        assert dict(VAULT_LEASE_EXPIRY.read())[PATH,] > first + 1
        await leases.checks["vault"]()
    assert "POST auth/token/revoke-self" in vault.asked
    assert not vault.tokens


async def test_the_token_they_hang_on_is_renewed_too(vault: VaultServer) -> None:
    vault.login_ttl_s = (1, 3600)
    async with kept(borrowed(vault)):
        await until(lambda: vault.asked.count("POST auth/token/renew-self") >= 2)


async def test_a_metric_tells_when_each_ends(vault: VaultServer) -> None:
    vault.database[PATH] = (600, 3600)
    async with kept(borrowed(vault)):
        told = {labels: value - time.time() for labels, value in VAULT_LEASE_EXPIRY.read()}
        assert told.keys() == {(PATH,), ("token",)}
        assert 590 < told[PATH,] <= 600
    assert VAULT_LEASE_EXPIRY.read() == []


async def test_while_vault_is_away_it_is_asked_again_and_nothing_ends(vault: VaultServer) -> None:
    vault.database[PATH] = (2, 3600)
    leases = borrowed(vault)
    before = VAULT_RENEWALS.value(PATH, "away"), VAULT_RENEWALS.value(PATH, "renewed")
    with capture_logs() as logs:
        async with kept(leases, end=lambda: pytest.fail("ended")):
            vault.sealed = True
            await until(lambda: VAULT_RENEWALS.value(PATH, "away") > before[0])
            vault.sealed = False
            await until(lambda: VAULT_RENEWALS.value(PATH, "renewed") > before[1])
            await leases.checks["vault"]()
    assert {log["event"] for log in logs} == {"vault_away"}


async def test_a_lease_that_ended_meanwhile_makes_the_process_unready(vault: VaultServer) -> None:
    leases = borrowed(vault)
    async with kept(leases, end=lambda: pytest.fail("ended")):
        vault.sealed = True
        with anyio.fail_after(20):
            while await _is_ready(leases):
                await anyio.sleep(0.02)
        with pytest.raises(Unavailable, match=f"lease ended: {PATH}"):
            await leases.checks["vault"]()
        vault.sealed = False


async def _is_ready(leases: Leases) -> bool:
    try:
        await leases.checks["vault"]()
    except Unavailable:
        return False
    return True


async def test_at_its_longest_time_the_process_ends_before_the_lease_does(vault: VaultServer) -> None:
    vault.database[PATH] = (1, 1.5)
    leases, ended = borrowed(vault), anyio.Event()
    with capture_logs() as logs:
        async with kept(leases, end=ended.set):
            with anyio.fail_after(20):
                await ended.wait()
            (lease,) = vault.leases.values()
            assert lease.left_s > 0, "somebody can still start anew"
            await leases.checks["vault"]()
    assert [log["event"] for log in logs] == ["vault_lease_will_end", "ending_for_new_secrets"]


async def test_so_it_does_when_vault_will_not_renew(vault: VaultServer) -> None:
    leases, ended = borrowed(vault), anyio.Event()
    vault.refuse_next = [DENIED]
    with capture_logs() as logs:
        async with kept(leases, end=ended.set):
            with anyio.fail_after(20):
                await ended.wait()
    assert logs[0]["event"] == "vault_lease_not_renewed"
    assert "permission denied" in logs[0]["why"]
    assert not any("hvs." in str(log) or "v-app" in str(log) or "p@ss" in str(log) for log in logs)


async def test_over_stdio_nobody_starts_us_anew_so_it_is_only_told(vault: VaultServer) -> None:
    vault.database[PATH] = (1, 1)
    with capture_logs() as logs:
        async with kept(borrowed(vault)):
            await until(lambda: bool(logs))
    assert (logs[0]["event"], logs[0]["restarts"]) == ("vault_lease_will_end", False)


async def test_a_token_that_we_brought_is_not_ended_by_us(vault: VaultServer) -> None:
    vault.tokens["hvs.ours"] = lent(3600)
    leases = Leases()
    told = {"SUITE_VAULT__URL": vault.url, "SUITE_VAULT__TOKEN": "hvs.ours", "A": f"vault:{PATH}#username"}
    resolve(told, leases)
    async with kept(leases):
        assert {labels for labels, _ in VAULT_LEASE_EXPIRY.read()} == {(PATH,), ("token",)}
    assert vault.tokens.keys() == {"hvs.ours"}


async def test_nothing_lent_means_nothing_to_do(vault: VaultServer) -> None:
    leases = Leases()
    assert leases.checks == {}
    async with kept(leases):
        assert VAULT_LEASE_EXPIRY.read() == []
    assert vault.asked == []
