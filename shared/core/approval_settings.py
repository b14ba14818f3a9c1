"""Settings of approvals."""

from typing import Annotated

from pydantic import Field

ApprovalTtl = Annotated[
    int, Field(ge=60, le=30 * 86_400, description="Seconds that people have to decide, and that their approval holds.")
]
ApprovalEscalate = Annotated[
    int,
    Field(ge=1, le=30 * 86_400, description="Seconds after which what nobody decided is escalated: told again."),
]
ApprovalsPerUser = Annotated[
    int, Field(ge=1, le=1000, description="Calls of one caller that may wait for people at a time.")
]
ApprovalsKept = Annotated[int, Field(ge=1, le=3650, description="Days that decided approvals can be looked up.")]
ConsoleUrl = Annotated[
    str | None, Field(description="Where people reach the console; default: /console beside the servers.")
]
