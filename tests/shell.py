"""An operator's shell beside running replicas: `mcp-suite` in a thread, since the command has a loop of its own."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner, Result

from shared.core.errors import SuiteError
from shared.ops import running
from shared.ops.cli import app
from shared.state.roles import Urls

OURS = ("SUITE_", "DATABASE_", "REDIS_")


@dataclass
class Shell:
    """One command after another.

    Attributes:
        env: What they are told; None for a variable that is not there.
    """

    env: dict[str, str | None]

    @staticmethod
    def beside(urls: Urls, folder: Path, redis_url: str | None = None) -> "Shell":
        """For the data and keys in `folder`."""
        env: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith(OURS))
        env |= {"SUITE_DATA_DIR": str(folder), "SUITE_REDIS_URL": redis_url, "DATABASE_URL": urls.app}
        return Shell(env | {"SUITE_DATABASE_OPERATOR_URL": urls.operator})

    async def run(self, *words: str, stdin: str = "") -> Result:
        return await anyio.to_thread.run_sync(
            lambda: CliRunner().invoke(app, [*words], input=stdin, env={"COLUMNS": "160", **self.env})
        )

    async def does(self, *words: str, stdin: str = "") -> list[str]:
        """The lines of a command that succeeds."""
        ended = await self.run(*words, stdin=stdin)
        assert ended.exit_code == 0, (ended.output, ended.exception)
        return ended.stdout.splitlines()

    async def fails(self, *words: str, stdin: str = "") -> str:
        """The sentence of a failure that was foreseen."""
        ended = await self.run(*words, stdin=stdin)
        assert (ended.exit_code, ended.stdout) == (1, ""), ended.output
        error: Any = ended.exception
        while hasattr(error, "exceptions"):  # a group, of the tasks around it
            (error,) = error.exceptions
        assert isinstance(error, SuiteError), error
        return str(error)


def keep_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logs of the tests as they are set up, whatever a command would make of them."""

    def leave(level: str, *, calls: bool) -> None:
        """Nothing."""

    monkeypatch.setattr(running, "configure", leave)
