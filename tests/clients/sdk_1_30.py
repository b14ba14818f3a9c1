"""Runs the client of SDK 1.30, in the environment of its own, and hands over what it saw."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio

PROJECT = Path(__file__).with_name("sdk-1.30")
UV = Path(sys.executable).with_name("uv")


async def prepare() -> Path:
    """Make the environment as its lock says (0.1 s when it is there); its interpreter."""
    # The root project's environment is active here, and it is not the one to fill.
    outside = {name: value for name, value in os.environ.items() if name != "UV_PROJECT_ENVIRONMENT"}
    environment = outside | {"UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON": sys.executable}
    command = [str(UV), "sync", "--quiet", "--frozen", "--project", str(PROJECT)]
    ended = await anyio.run_process(command, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return PROJECT / ".venv" / "bin" / "python"


async def run(*words: str, env: dict[str, str] | None = None, program: str = "journey.py") -> dict[str, Any]:
    """The summary of one journey, or of another `program`; what failed in it fails here, with its traceback."""
    python = await prepare()
    command = [str(python), str(PROJECT / program), *words]
    with anyio.fail_after(60):
        ended = await anyio.run_process(command, env=None if env is None else os.environ | env, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)
