"""Settings of what kind of process this is, and where it keeps its files."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field


def _absolute(folder: Path) -> Path:
    """Clients start servers in whatever folder, and all of them mean the same one."""
    if folder == Path():
        raise ValueError("names no folder, and keys would be made where you are: unset it, or name one")
    with suppress(RuntimeError):  # nobody's home
        folder = folder.expanduser()
    return folder.absolute()


def home() -> Path:
    """That of the user; for one who has no name and no home, the root: there they may not write, and are told so."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


Profile = Annotated[
    Literal["laptop", "fleet"], Field(description="`fleet` refuses to start on what only a laptop may do.")
]
Environment = Annotated[Literal["dev", "stage", "prod"], Field(description="For policy.")]
DataDir = Annotated[
    Path, Field(description="Keys, embedded database, audit spool. Mode 0700."), AfterValidator(_absolute)
]
SecretsDir = Annotated[
    Path,
    Field(
        description="Folder of files that each hold one setting, named as its variable in lower case "
        "(docs/secrets.md). Set in the environment alone."
    ),
]
