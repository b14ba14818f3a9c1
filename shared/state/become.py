"""The last steps of a child before it becomes a server: it leaves root, and ties its life to its parent's.

    python -I -S become.py PARENT SIGNAL DIRECTORY COMMAND [ARGUMENT…]

A program of its own, since code between fork and exec must not run in a process that has threads. PostgreSQL
refuses to run as root. When root starts it, it enters a user namespace in which root's files belong to
`nobody`: no account is made and no mode is changed. Where namespaces are refused (seccomp in some
containers), DIRECTORY is handed to `nobody` instead, and stays that user's; its parent is root's, with files of
mode 0600, and lets `nobody` pass (0711). An empty DIRECTORY keeps root.
SIGNAL is delivered when PARENT ends in any way (Linux, prctl(2) PR_SET_PDEATHSIG).
"""

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534  # the one uid that has a passwd entry everywhere; initdb insists on an entry
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")


def _namespace_works() -> bool:
    """Tried in a child: after half an entrance there is no way back."""
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace()
        except (OSError, AttributeError):
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _become_nobody(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118 - os.walk yields str
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    directory.parent.chmod(0o711)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _leave_root(directory: Path) -> None:
    if directory.stat().st_uid != NOBODY and _namespace_works():
        _enter_namespace()
    else:
        _become_nobody(directory)


def _die_with(parent: int, signal: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:  # it ended before the tie was made
        sys.exit(1)


def main(parent: str, signal: str, directory: str, *command: str) -> None:
    if directory and os.geteuid() == 0:
        _leave_root(Path(directory))
    if sys.platform == "linux":
        _die_with(int(parent), int(signal))  # last: a change of credentials would cut it
    os.execv(command[0], command)  # noqa: S606 - the arguments are our own, and there is no shell


if __name__ == "__main__":
    main(*sys.argv[1:])
