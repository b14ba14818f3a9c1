"""Settings of long-running work."""

from typing import Annotated

from pydantic import Field

JobLease = Annotated[
    int,
    Field(
        ge=2,
        le=600,
        description="How long a job waits for a worker that died before another goes on with it; workers renew it "
        "twice a second.",
    ),
]
JobsKept = Annotated[int, Field(ge=1, le=720, description="Hours that what a job made can be read after it has ended.")]
JobsAtATime = Annotated[
    int,
    Field(
        ge=1, le=20, description="Jobs one process works on at a time; each may use 3 of pool_max database connections."
    ),
]
