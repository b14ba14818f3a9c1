"""Settings of what kind of process this is, and where it keeps its files."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

Profile = Annotated[
    Literal["laptop", "fleet"], Field(description="`fleet` refuses to start on what only a laptop may do.")
]
Environment = Annotated[Literal["dev", "stage", "prod"], Field(description="For policy.")]
DataDir = Annotated[Path, Field(description="Keys, embedded database, audit spool. Mode 0700.")]
SecretsDir = Annotated[
    Path,
    Field(
        description="Folder of files that each hold one setting, named as its variable in lower case "
        "(docs/secrets.md). Set in the environment alone."
    ),
]
