"""What a process refuses to start on."""

from pathlib import Path

import pytest

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.parts import open_parts
from shared.state.embedded import EmbeddedPostgres
from shared.state.roles import Passwords, ensure_roles

pytestmark = pytest.mark.anyio


async def test_a_database_that_was_never_migrated_is_refused_with_the_command_to_run(
    postgres: EmbeddedPostgres, role_passwords: Passwords, tmp_path: Path
) -> None:
    urls = await ensure_roles(postgres.admin_url, role_passwords, "suite_never_migrated")
    with pytest.raises(Misconfigured, match="mcp-suite db migrate"):
        async with open_parts(Settings(data_dir=tmp_path), urls.app):
            pass
