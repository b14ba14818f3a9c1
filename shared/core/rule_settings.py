"""Settings of what is allowed at all."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

PolicyDir = Annotated[
    Path | None,
    Field(description="A company's own policies: instead of ours, or more of them (docs/policy.md)."),
]
ReadOnly = Annotated[bool, Field(description="Nothing can be changed: writes are hidden and refused.")]
FlowWindow = Annotated[
    int, Field(ge=60, le=86_400, description="How long a caller's answers count for what it may do next.")
]
