import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_BECOME = Path(__file__).with_name("become.py")


def clean_environment() -> dict[str, str]:
    """Ours without libpq's variables (`PGDATA`, `PGPORT`, …), which would steer the server elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def spawn(
    command: Sequence[str | Path],
    log: IO[bytes],
    *,
    leave_root_in: Path | None = None,
    on_parent_death: signal.Signals = signal.SIGINT,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """A direct child that ends when we do, however we end (on Linux; elsewhere only when it is told to).

    Call it from a thread that lives as long as the child should: the kernel counts the thread as the parent.

    Args:
        command: The program by its full path, and its arguments.
        log: Receives what the child prints.
        leave_root_in: If we are root, the child is not, and may write this directory (see `become.py`).
        on_parent_death: What the child is sent when we end.
        environment: The child's; default `clean_environment()`.
    """
    owned = "" if leave_root_in is None else str(leave_root_in)
    prefix = [sys.executable, "-I", "-S", _BECOME, str(os.getpid()), str(int(on_parent_death)), owned]
    return subprocess.Popen(  # noqa: S603 - fixed programs, no shell
        [*prefix, *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=clean_environment() if environment is None else environment,
        process_group=0,  # a Ctrl-C at the terminal is for us alone: we end our children in order
    )


def stop(child: "subprocess.Popen[bytes]", *signals: signal.Signals, patience_s: float = 10) -> None:
    """Send the signals in turn, then SIGKILL, with `patience_s` seconds after each, until the child has ended."""
    for number in (*signals, signal.SIGKILL):
        if child.poll() is None:
            child.send_signal(number)
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return
