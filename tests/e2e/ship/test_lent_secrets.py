"""A real server whose database user is lent by Vault, and one of whose keys is a file."""

import base64
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import httpx
import pytest

from tests.harness import Databases
from tests.processes import free_port, process
from tests.shared.ops.vault.vault_server import VaultServer, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="waits for a lease to end: `make e2e` runs it"),
]

PATH = "database/creds/app"


async def test_a_server_lives_on_what_vault_lends_and_ends_in_order_before_that_does(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    app = urlsplit(urls.app)
    lent = {"username": unquote(app.username or ""), "password": unquote(app.password or "")}
    within = app._replace(netloc=f"{{vault:{PATH}#username}}:{{vault:{PATH}#password}}@{app.netloc.rpartition('@')[2]}")
    secrets, metrics = tmp_path / "secrets", free_port()
    secrets.mkdir()
    (secrets / "suite_state_keys").write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    (secrets / "suite_vault__secret_id").write_text("secret-1\n")
    for path in secrets.iterdir():
        path.chmod(0o400)
    vault = VaultServer(database={PATH: (12, 14)}, approles={"role-1": "secret-1"}, person=lent)
    with serving(vault):
        told: dict[str, Any] = {"secrets_dir": str(secrets), "metrics_port": metrics}
        async with process(urls, tmp_path, **told) as served:
            signing_in: dict[str, str] = {"URL": vault.url, "ROLE_ID": "role-1"}
            served.environment |= {f"SUITE_VAULT__{name}": value for name, value in signing_in.items()}
            served.environment["SUITE_DATABASE_URL"] = within.geturl()
            await served.start()
            async with httpx.AsyncClient() as client:
                checks = (await client.get(f"http://127.0.0.1:{served.settings.port}/readyz")).json()["checks"]
                told_metrics = (await client.get(f"http://127.0.0.1:{metrics}/metrics")).text
            assert checks["vault"] == "ok"
            line = next(
                line for line in told_metrics.splitlines() if line.startswith("suite_vault_lease") and PATH in line
            )
            assert time.time() < float(line.split()[-1]) < time.time() + 15
            assert served.running is not None
            with anyio.fail_after(40):
                code = await anyio.to_thread.run_sync(served.running.wait)
        assert code == 0
        assert not vault.tokens, "it gave back what it was lent"
    log = served.log.read_text()
    assert "ending_for_new_secrets" in log
    assert not lent["password"] or lent["password"] not in log
