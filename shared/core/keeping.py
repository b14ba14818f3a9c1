"""Settings of what a process keeps for itself, and of where it finds what it runs on."""

from typing import Annotated, Literal

from pydantic import Field

MetadataTtl = Annotated[
    float,
    Field(
        gt=0,
        le=3600,
        description="How long each process keeps metadata that tools looked up (titles, counts, outlines); changes are "
        "heard of at once over Redis. Without Redis at most 5: other processes of a laptop are not heard.",
    ),
]
MetadataEntries = Annotated[
    int,
    Field(ge=0, le=100_000, description="How many of them, over all servers and tenants; 0 keeps none."),
]
EmbeddedSource = Annotated[
    Literal["auto", "wheel", "system"],
    Field(description="Embedded engines: the machine's own if there are any, or force one or the other."),
]
