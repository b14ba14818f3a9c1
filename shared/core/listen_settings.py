"""Settings of where we listen, the name clients know us by, and how we stop."""

from typing import Annotated

from pydantic import Field

from shared.core.words import Words

Host = Annotated[str, Field(description="Address to listen on.")]
Port = Annotated[int, Field(ge=0, le=65535, description="Port to listen on.")]
PublicUrl = Annotated[str | None, Field(description="Scheme and host clients use; default http://HOST:PORT.")]
SharedUrl = Annotated[
    bool, Field(description="Other servers share public_url: `serve` answers at /{server}/mcp instead of /mcp.")
]
ShowReplica = Annotated[
    str | None,
    Field(
        pattern=r"^[\w.-]{1,64}$",
        description="What this process calls itself in the `Suite-Replica` header of its answers, for drills; "
        "without it there is no such header.",
    ),
]
AllowedHosts = Annotated[Words, Field(description="Host headers accepted besides that of public_url.")]
AllowedOrigins = Annotated[Words, Field(description="Browser origins accepted (CORS). None by default.")]
TrustedProxies = Annotated[
    Words,
    Field(description="Addresses and networks of balancers whose X-Forwarded-For is believed. None by default."),
]
BodyLimitBytes = Annotated[int, Field(ge=1024, le=16 * 2**20, description="Largest request body, and line over stdio.")]
DrainNotice = Annotated[
    float | None,
    Field(
        ge=0,
        le=300,
        description="Seconds that we go on serving after SIGTERM while `/readyz` says that we stop; "
        "default 0, with profile=fleet 5.",
    ),
]
Drain = Annotated[float, Field(ge=0, description="Seconds calls in flight get after that.")]
