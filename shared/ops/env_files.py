"""Files of variables, as `docker run --env-file` and compose read them: `NAME=VALUE`, one a line."""

import re
from collections.abc import Sequence
from pathlib import Path

from shared.core.errors import Misconfigured

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read(files: Sequence[Path]) -> dict[str, tuple[str, Path]]:
    """The variables of all of them, and which one they are from; of two that set the same the later one counts.

    Raises:
        Misconfigured: One cannot be read, or has a line that is none; names file and line.
    """
    variables: dict[str, tuple[str, Path]] = {}
    for file in files:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"cannot read {file} ({type(error).__name__})") from None
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                name, value = _of(line, f"{file}:{number}")
                variables[name] = value, file
    return variables


def _of(line: str, where: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.rstrip())
    if match is None:
        raise Misconfigured(f"{where} is not NAME=VALUE")
    if match[2][:1] in {'"', "'"}:
        raise Misconfigured(f"{where} has quotes, which some programs take for a part of the value: leave them out")
    return match[1], match[2]
