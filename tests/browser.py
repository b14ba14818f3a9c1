"""Debian's Chromium for the tests: an installed one, else the distribution's package, unpacked beside our other tools.

Nothing is installed: apt-get says which packages the machine lacks, they are fetched and checked against its signed
lists, and unpacked into `.venv/.tools/chromium`, once. Needs no root.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from compose.proxy.packages import library_path
from shared.state.locks import open_lock

_INSTALLED = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_PACKAGE = "chromium-headless-shell"
_FONTS = "fonts-dejavu-core"
_PROGRAM = f"usr/lib/chromium/{_PACKAGE}"
_VERSION = re.compile(r"\d+(?:\.\d+){3}")
_FETCH_S = 300
_PATIENT = ("-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15")
_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{root}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{root}/cache</cachedir>
  <config></config>
</fontconfig>
"""


class Unreachable(Exception):
    """There is no browser here, and no apt-get that reaches one."""


@dataclass(frozen=True)
class Chromium:
    """A browser that runs here.

    Attributes:
        path: Of the executable.
        version: As it says itself.
        source: `SUITE_CHROMIUM`, `system` or `package`.
        environment: What must be added to the environment for it to run.
    """

    path: Path
    version: str
    source: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"Chromium {self.version} ({self.source})"


@cache
def chromium() -> Chromium:
    """The browser that SUITE_CHROMIUM names, else an installed one, else Debian's package.

    Raises:
        Unreachable: There is none, and none can be fetched; says why.
    """
    if named := os.environ.get("SUITE_CHROMIUM"):
        if (program := _running(Path(named), "SUITE_CHROMIUM")) is None:
            raise Unreachable(f"SUITE_CHROMIUM={named} does not run")
        return program
    for path in filter(None, map(shutil.which, _INSTALLED)):
        if program := _running(Path(path), "system"):
            return program
    home = Path(sys.prefix) / ".tools"
    return _unpacked(home / "chromium") or _fetched(home)


def _fetched(home: Path) -> Chromium:
    home.mkdir(parents=True, exist_ok=True)
    lock = open_lock(home / "chromium.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program := _unpacked(home / "chromium"):  # somebody else was faster
            return program
        draft = home / "chromium.draft"
        for old in (draft, home / "chromium"):
            shutil.rmtree(old, ignore_errors=True)
        _unpack(draft)
        draft.rename(home / "chromium")
    finally:
        os.close(lock)
    if (program := _unpacked(home / "chromium")) is None:
        raise Unreachable(f"the package {_PACKAGE} of this system does not run here")
    return program


def _unpack(draft: Path) -> None:
    """Fetch what the machine lacks of the browser, its libraries and a font, and lay it out as if it were installed."""
    if shutil.which("apt-get") is None:
        raise Unreachable("this machine has no Chromium and no apt-get to fetch it with")
    archives = draft / "archives"
    (archives / "partial").mkdir(parents=True)
    options: list[str] = []
    wanted = _lacking(options, archives)
    if not wanted or _apt([*options, "download", *wanted], archives).returncode:
        options = _own_lists(draft)  # the machine's are missing, or older than what the archive still has
        _apt([*options, "update"], archives)
        wanted = _lacking(options, archives)
        fetched = _apt([*options, "download", *wanted], archives) if wanted else None
        if fetched is None or fetched.returncode:
            raise Unreachable(f"apt-get cannot fetch {_PACKAGE}: {_why(fetched)}")
    for archive in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, draft], check=True, timeout=120)
    shutil.rmtree(archives)
    shutil.rmtree(draft / "apt", ignore_errors=True)


def _lacking(options: list[str], folder: Path) -> list[str]:
    """Names of packages that would be installed; none if apt-get does not know the browser.

    The font is always among them: an installed one may be any, and pages should look the same everywhere.
    """
    told = _apt([*options, "-s", "install", "--no-install-recommends", _PACKAGE, _FONTS], folder)
    if told.returncode:
        return []
    return sorted({*re.findall(r"^Inst (\S+)", told.stdout, re.MULTILINE), _FONTS})


def _own_lists(draft: Path) -> list[str]:
    """Options for lists of packages that any user may refresh."""
    folder = draft / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    places = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
    return [word for name, place in places.items() for word in ("-o", f"{name}={place}")]


def _apt(words: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    # root's apt-get would fetch as _apt, who may not write here.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", *_PATIENT, *words]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"E: no answer in {_FETCH_S} s")


def _why(ended: "subprocess.CompletedProcess[str] | None") -> str:
    lines = [line for line in (ended.stderr if ended else "").splitlines() if line.startswith("E:")]
    return " ".join(lines) or "it does not know the package"


def _unpacked(root: Path) -> Chromium | None:
    path = root / _PROGRAM
    return _running(path, "package", dict(_environment(root))) if path.exists() else None


def _environment(root: Path) -> Iterator[tuple[str, str]]:
    folders = [library_path(root), *(str(path) for path in root.glob("usr/lib/*-linux-*/pulseaudio"))]
    yield "LD_LIBRARY_PATH", ":".join(folders)
    fonts = root / "fonts.conf"
    if not fonts.exists():
        fonts.write_text(_FONTS_CONF.format(root=root))
    yield "FONTCONFIG_FILE", str(fonts)


def _running(path: Path, source: str, environment: Mapping[str, str] | None = None) -> Chromium | None:
    added = environment or {}
    try:
        done = subprocess.run(
            [path, "--version", "--no-sandbox"],
            env={**os.environ, **added},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = _VERSION.search(done.stdout)
    return Chromium(path, said[0], source, added) if done.returncode == 0 and said else None
