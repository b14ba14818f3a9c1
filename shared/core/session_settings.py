"""Settings of sessions of the 2025 era."""

from typing import Annotated, Literal

from pydantic import Field

SessionTtl = Annotated[int, Field(ge=1, le=86_400, description="A session nobody uses ends after this.")]
SessionMaxAge = Annotated[int, Field(ge=60, description="A session ends after this, however it is used.")]
StreamTtl = Annotated[
    int, Field(ge=1, le=3600, description="How long a client may take to come back to a broken stream.")
]
SessionsPerUser = Annotated[int, Field(ge=1, le=1000, description="Sessions one user may have open.")]
SessionsFull = Annotated[Literal["end_oldest", "refuse"], Field(description="What happens when a user opens one more.")]
AskTimeout = Annotated[
    float, Field(gt=0, le=3600, description="How long a call waits for its user's answer (2025 era, stdio).")
]
