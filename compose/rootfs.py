"""Runs once, inside the image's build: what is no part of Python or of the suite goes, and what stays is made alike.

Nobody can start a shell or a package manager that is not there. The list of Debian packages keeps those of which
something is left, so that scanners and the SBOM tell the truth. Every file is then as old as SOURCE_DATE_EPOCH says,
and bytecode carries the hash of its source in place of a time: the same commit gives the same files.
"""

import compileall
import os
import py_compile
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/")
USER = 10001

_PROGRAMS = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "bin", "sbin")
_STAYS = re.compile(r"python3?(\.\d+)?")
_GOES = (
    "etc/apt", "etc/cron.d", "etc/cron.daily", "etc/init.d", "etc/pam.d", "etc/security", "etc/skel",
    "media", "mnt", "opt", "root/.cache", "srv",
    "usr/games", "usr/include", "usr/libexec", "usr/src",
    "usr/lib/apt", "usr/lib/dpkg", "usr/lib/init", "usr/lib/systemd",
    "usr/share/bash-completion", "usr/share/bug", "usr/share/debconf", "usr/share/doc", "usr/share/info",
    "usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/perl5", "usr/share/python-wheels",
    "usr/local/share/man", "usr/local/include",
    "var/backups", "var/cache", "var/lib/apt", "var/lib/systemd", "var/log",
)  # fmt: skip
_PATTERNS = (
    "usr/lib/*/libapt-*",
    "usr/lib/*/perl-base",
    "usr/lib/*/perl",
    "usr/lib/python3*/ensurepip",
    "usr/local/lib/python3*/ensurepip",
    "usr/local/lib/python3*/idlelib",
    "usr/local/lib/python3*/site-packages/pip*",
    "app/.venv/lib/python3*/site-packages/*.dist-info/uv_cache.json",
    "app/.venv/bin/activate*",
    "app/.venv/bin/*.bat",
)
_ACCOUNTS = {
    "etc/passwd": f"suite:x:{USER}:{USER}::/data:/usr/sbin/nologin\n",
    "etc/group": f"suite:x:{USER}:\n",
}


def main() -> None:
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    for account, line in _ACCOUNTS.items():  # some programs insist on a name for the number
        with (ROOT / account).open("a") as file:
            file.write(line)
    for folder in ("data", "balancer"):
        (ROOT / folder).mkdir(mode=0o700)
        os.chown(ROOT / folder, USER, USER)
    _remove()
    _forget_what_is_gone()
    _tidy_records()
    _compile()
    Path(__file__).unlink()
    _age(epoch)


def _remove() -> None:
    for folder in {(ROOT / name).resolve() for name in _PROGRAMS}:
        for path in folder.iterdir() if folder.is_dir() else ():
            if not _STAYS.fullmatch(path.name) and not path.is_dir():
                path.unlink()
    for path in [*(ROOT / name for name in _GOES), *(found for one in _PATTERNS for found in ROOT.glob(one))]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _forget_what_is_gone() -> None:
    """Packages without a file left are taken out of dpkg's list, and the rest of its folder goes."""
    home = ROOT / "var/lib/dpkg"
    if not (home / "status").exists():
        return
    lists = {path.name.removesuffix(".list").partition(":")[0]: path for path in (home / "info").glob("*.list")}
    kept = {name for name, path in lists.items() if any(map(_is_file, path.read_text().splitlines()))}
    said = (home / "status").read_text().split("\n\n")
    names = ((re.match(r"Package: (\S+)", entry), entry) for entry in said)
    left = "\n\n".join(entry for name, entry in names if name and name[1] in kept)
    shutil.rmtree(home)
    home.mkdir()
    (home / "status").write_text(left + "\n")


def _is_file(name: str) -> bool:
    path = ROOT / name.lstrip("/")
    return path.is_file() and not path.is_symlink() and "usr/share/" not in name and not name.startswith("/etc/")


def _tidy_records() -> None:
    """What uv notes of the time at which it looked at our source is gone, and differed each time."""
    for path in ROOT.glob("app/.venv/lib/python3*/site-packages/*.dist-info/RECORD"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "/uv_cache.json," not in line))


def _compile() -> None:
    """One after the other, in a fixed order and in this process: the bytes would depend on what ran beside it."""
    for folder in sorted((*(ROOT / "app/.venv/lib").iterdir(), *_standard_libraries())):
        compileall.compile_dir(
            folder, quiet=2, maxlevels=30, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, force=True
        )


def _standard_libraries() -> Iterator[Path]:
    for home in ("usr/lib", "usr/local/lib"):
        yield from (path for path in (ROOT / home).glob("python3.*") if (path / "os.py").exists())


def _age(epoch: int) -> None:
    """Everything of this file system is as old as the commit, and nothing gives its caller another user's rights."""
    for folder, folders, files in os.walk(ROOT):
        if Path(folder) == ROOT:
            folders[:] = [name for name in folders if name not in {"proc", "sys", "dev"}]
        for path in (Path(folder) / name for name in (*files, *folders)):
            told = path.lstat()
            if stat.S_ISREG(told.st_mode) and told.st_mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(told.st_mode) & 0o777)
            with suppress(OSError):  # what the builder mounts here is not ours
                os.utime(path, (epoch, epoch), follow_symlinks=False)


if __name__ == "__main__":
    main()
