"""Debian's packages as any user: fetched with apt-get, unpacked into a folder, never installed."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.core.errors import Misconfigured
from shared.state.locks import open_lock

_FETCH_S = 180
_PATIENT = ("-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15")


class Unreachable(Misconfigured):
    """There is no apt-get here, or it reaches no package: nothing is wrong with us."""


def unpack(package: str, program: str, home: Path, works: Callable[[], bool]) -> None:
    """Unpack a package, and the libraries it lacks here, into `home/package`; once, however many processes want it.

    Args:
        package: Its name, of which apt-get takes the newest version the machine's sources offer.
        program: Path of the executable inside it.
        home: Holds one folder a package; made if missing.
        works: Whether what is there can be used; else it is made anew.

    Raises:
        Unreachable: It cannot be fetched.
        Misconfigured: It was fetched, but is of no use.
    """
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    root = home / package
    lock = open_lock(home / f"{package}.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not works():
            shutil.rmtree(root, ignore_errors=True)  # made for a system that has changed since
            draft = home / f"{package}.draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            _gather(package, draft / program, draft, home)
            draft.rename(root)
    finally:
        os.close(lock)


def library_path(root: Path) -> str:
    """LD_LIBRARY_PATH for the programs unpacked there."""
    folders = [str(folder) for pattern in ("usr/lib/*-linux-*", "lib/*-linux-*") for folder in root.glob(pattern)]
    given = os.environ.get("LD_LIBRARY_PATH")
    return ":".join([*folders, *([given] if given else [])])


def _gather(package: str, program: Path, draft: Path, home: Path) -> None:
    """Unpack the package, then libraries it depends on, until the program finds all it is linked to."""
    wanted, had = [package], set[str]()
    while wanted:
        name = wanted.pop(0)
        had.add(name)
        archive = _fetch(name, home)
        _run(["dpkg-deb", "-x", str(archive), str(draft)], f"{archive} cannot be unpacked")
        depends = _run(["dpkg-deb", "-f", str(archive), "Depends"], f"{archive} is no package")
        archive.unlink()
        if not program.exists():
            raise Misconfigured(f"the package {package} of this system has no {program.name}: install one yourself")
        if not _missing(program, draft):
            return
        wanted += [library for library in _libraries(depends) if library not in had]
    raise Misconfigured(f"{program.name} of the package {package} lacks {', '.join(_missing(program, draft))} here")


def _missing(program: Path, root: Path) -> list[str]:
    environment = {**os.environ, "LD_LIBRARY_PATH": library_path(root)}
    said = _run(["ldd", str(program)], f"{program} is no program of this machine", environment)
    return re.findall(r"(\S+) => not found", said)


def _libraries(depends: str) -> Iterator[str]:
    """Those of a Depends field that are not installed; of alternatives the first."""
    for part in depends.split(","):
        name = part.split("|")[0].split("(")[0].split(":")[0].strip()
        if name.startswith("lib") and not _installed(name):
            yield name


def _installed(package: str) -> bool:
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout == "installed"  # noqa: S603


def _fetch(package: str, home: Path) -> Path:
    """The archive, checked by apt-get against the machine's signed lists, or else against fresh ones of our own."""
    if shutil.which("apt-get") is None:
        raise Unreachable(f"this machine has no {package} and no apt-get to fetch it with")
    failed = _download(package, home, [])
    if failed:
        lists = _own_lists(home)
        refreshed = _apt([*lists, "update"], home)
        failed = _download(package, home, lists)
        if failed and refreshed:
            raise Unreachable(f"apt-get cannot fetch {package}: {failed}")
        if failed:
            raise Misconfigured(f"the package {package} cannot be had: {failed}")
    return next(home.glob(f"{package}_*.deb"))


def _download(package: str, home: Path, options: list[str]) -> str:
    """What went wrong, or nothing."""
    for old in home.glob(f"{package}_*.deb"):
        old.unlink()
    return _apt([*options, "download", package], home)


def _own_lists(home: Path) -> list[str]:
    """Options for lists that any user may refresh, where the machine's are missing or out of date."""
    folder = home / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    places = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
    return [word for name, place in places.items() for word in ("-o", f"{name}={place}")]


def _apt(arguments: list[str], folder: Path) -> str:
    # root's apt-get would fetch as _apt, who may not write here.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *_PATIENT, *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and names of packages
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_FETCH_S} s"
    lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return " ".join(lines) or f"apt-get ended with {done.returncode}" if done.returncode else ""


def _run(command: list[str], wrong: str, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misconfigured(f"{wrong}: {error}") from error
    if done.returncode:
        raise Misconfigured(f"{wrong}: {done.stderr.strip()}")
    return done.stdout
