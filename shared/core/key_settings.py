"""Settings of key rings, and of the audit."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.core.words import Secrets

AuditKeys = Annotated[Secrets, Field(description="Sign the audit chain.")]
LedgerKeys = Annotated[Secrets, Field(description="Seal stored answers.")]
CursorKeys = Annotated[Secrets, Field(description="Seal page positions.")]
SessionKeys = Annotated[Secrets, Field(description="Seal sessions and streams.")]
StateKeys = Annotated[Secrets, Field(description="Seal request state.")]
AuditBatch = Annotated[int, Field(ge=1, le=1000, description="Records per commit at most.")]
AuditCheckpointS = Annotated[
    float, Field(gt=0, le=3600, description="How often each process states how far its audit chain goes.")
]
AuditCheckpoints = Annotated[
    Path | None,
    Field(description="Folder those statements are kept in; default data_dir/checkpoints. A fleet logs them too."),
]
AuditSpoolBytes = Annotated[int, Field(ge=2**20, description="Refusals kept on disk while the audit store is away.")]
