"""Settings of what one process takes on at a time; what is beyond is refused at once, to be retried."""

from typing import Annotated

from pydantic import Field

MaxInFlight = Annotated[int, Field(ge=1, description="Requests that are answered at a time.")]
MaxWaiting = Annotated[int, Field(ge=0, description="Requests that may wait for their turn.")]
MaxWait = Annotated[
    float, Field(gt=0, le=60, description="How long one waits at most; a tenth of it while the queue stands.")
]
MaxStreams = Annotated[
    int, Field(ge=1, description="Streams that may be open; calls that wait for a user count as such.")
]
BodyTimeout = Annotated[
    float, Field(gt=0, le=300, description="How long a request's headers may take to come, and again its body.")
]
