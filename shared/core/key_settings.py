"""Settings of key rings, and of the audit."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.core.words import Secrets, Words

AUDIT_KEPT_LEAST_DAYS = 30
"""Nothing younger is removed, whatever is set or asked for; `suite.prune_audit` refuses it too."""

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
AuditKeptDays = Annotated[
    int | None,
    Field(
        ge=AUDIT_KEPT_LEAST_DAYS,
        le=36_500,
        description="How long records are kept; `mcp-suite audit prune` removes older ones. If not set, for ever.",
    ),
]
AuditHeld = Annotated[
    Words,
    Field(
        description="Tenants of whom `mcp-suite audit prune` removes nothing, and whose mails keep what they say, as "
        "for a lawsuit; `*` for all."
    ),
]
AuditSpoolBytes = Annotated[int, Field(ge=2**20, description="Refusals kept on disk while the audit store is away.")]
