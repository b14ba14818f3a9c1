"""Somebody who has nothing but a copy of the repository, and does what a page says, block by block, in order."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.processes import processes_of
from tests.docs.fences import ROOT, Fence, fences

LONG = os.environ.get("SUITE_LONG") == "1"
"""Whether everything is installed anew, from the package registry; else the environment of the tests is lent."""

RUNS_ON = {"make up": "Ctrl-C ends everything", "make fleet": "Ctrl-C ends it"}
"""Commands that run until Ctrl-C, and what they print once others can go on."""

_NOT_COPIED = shutil.ignore_patterns(".*", "node_modules", "build", "__pycache__")
_REGISTRY = re.compile(r"(PIP|UV)_|SSL_|(HTTPS?|NO|ALL)_PROXY$|(https?|no|all)_proxy$|REQUESTS_CA|CURL_CA")
"""Variables of a machine that say how its package registry is reached."""


@dataclass
class Newcomer:
    """One person with an empty home.

    Attributes:
        copy: The repository.
        ports: Port that a page names → one that is free here.
        shown: What each command that runs on prints, by the command.
    """

    home: Path
    copy: Path
    ports: dict[int, int]
    shown: dict[str, Path] = field(default_factory=dict[str, Path])
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list["subprocess.Popen[bytes]"])
    more: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if _REGISTRY.match(name)}
        path = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        lent = {} if LONG else {"PYTHONPATH": str(self.copy)}
        return {**kept, "HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", "COLUMNS": "200", **lent, **self.more}

    def run(self, block: Fence, limit_s: float = 240) -> str:
        """What the commands of a block print; one that runs on is left running once it says that all is ready."""
        lines = [line.split("  #")[0].strip() for line in block.text.splitlines()]
        if lines[0] in RUNS_ON:
            assert len(lines) == 1, f"{block}: what runs until Ctrl-C needs a block of its own"
            return self._start(lines[0], limit_s)
        done = subprocess.run(
            ["sh", "-e", "-c", self.here(block.text)],
            cwd=self.copy, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _start(self, command: str, limit_s: float) -> str:
        shown = self.shown[command] = self.home.with_name(f"{self.home.name}.{len(self.running)}.txt")
        with shown.open("wb") as out:
            process = subprocess.Popen(
                command.split(), cwd=self.copy, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        deadline = time.monotonic() + limit_s
        while RUNS_ON[command] not in shown.read_text("utf-8"):
            assert process.poll() is None, shown.read_text("utf-8")
            assert time.monotonic() < deadline, shown.read_text("utf-8")
            time.sleep(0.1)
        return shown.read_text("utf-8")

    def here(self, text: str) -> str:
        """A text of the page, with the ports there are here."""
        for port, other in self.ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}")
        return text

    def assert_shows(self, block: Fence, printed: str) -> None:
        """Whether the lines of a block are among those that were printed, in order; `…` is whatever it was."""
        left = iter(line.strip() for line in printed.splitlines())
        for line in self.here(block.text).splitlines():
            pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
            assert any(pattern.fullmatch(one) for one in left), f"{block}\n{line!r} is not in\n{printed}"

    def entry(self, path: str, server: str) -> dict[str, Any]:
        """How a client starts a server, as `connect --write` wrote it into the client's own file."""
        return json.loads((self.home / path).read_text("utf-8"))["mcpServers"][f"suite-{server}"]

    def end(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole group."""
        for process in reversed(self.running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(60)


def _lend(ours: Path, theirs: Path) -> None:
    """An environment that counts as ready, whatever is newer: `make setup` must not touch ours."""
    theirs.mkdir()
    for path in ours.iterdir():
        if path.name != ".ready":
            (theirs / path.name).symlink_to(path)
    (theirs / ".ready").touch()


@contextmanager
def newcomer(folder: Path, ports: dict[int, int], **more: str) -> Generator[Newcomer]:
    """A copy and a home under `folder`; nothing of theirs runs on afterwards."""
    copy, home = folder / "suite", folder / "home"
    shutil.copytree(ROOT, copy, ignore=_NOT_COPIED)
    home.mkdir()
    if not LONG:
        _lend(ROOT / ".venv", copy / ".venv")
    made = Newcomer(home, copy, ports, more=more)
    try:
        yield made
        made.end()
        deadline = time.monotonic() + 30
        while left := processes_of(folder):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    finally:
        for process in made.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def blocks(page: str) -> list[Fence]:
    return [fence for fence in fences(ROOT / page) if fence.reason is None]
