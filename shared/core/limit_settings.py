"""Settings of what a caller may use up."""

from typing import Annotated, Literal

from pydantic import Field

CallsPerMinute = Annotated[int, Field(ge=1, description="Per caller, over all tools.")]
ToolCallsPerMinute = Annotated[int, Field(ge=1, description="Per caller and tool.")]
Burst = Annotated[int, Field(ge=1, description="Calls of one caller that may come at once.")]
ClientCallsPerMinute = Annotated[int, Field(ge=1, description="Per tenant and client; a tenth at once.")]
TenantCallsPerMinute = Annotated[int, Field(ge=1, description="Per tenant; a tenth at once.")]
ResourceCallsPerMinute = Annotated[
    int, Field(ge=1, description="Per tenant and what tools use downstream, e.g. a mail relay; a tenth at once.")
]
ResourceCallsPerMinuteOf = Annotated[
    dict[str, Annotated[int, Field(ge=1)]],
    Field(description="`SUITE_RESOURCE_CALLS_PER_MINUTE_OF__MAIL_RELAY`: instead, for one of these."),
]
ConcurrentCalls = Annotated[int, Field(ge=1, description="Calls of one caller in progress at a time.")]
TenantConcurrentCalls = Annotated[int, Field(ge=1, description="The same, of one tenant.")]
SessionSteps = Annotated[
    int, Field(ge=1, description="Requests in one login (the token's `sid`, else all of the caller's) and window.")
]
SessionCostUsd = Annotated[float, Field(ge=0, le=1e6, description="What they may cost, as tools declare it.")]
SessionWindow = Annotated[int, Field(ge=1, le=86_400, description="It begins with its first request.")]
SameCallsPerMinute = Annotated[
    int, Field(ge=1, description="Per caller, with the same arguments; more are taken for a loop.")
]
ShedPercent = Annotated[
    int,
    Field(
        ge=1,
        le=100,
        description="Of a budget, the tenant's rate or places: beyond it calls that can wait are refused.",
    ),
]
RedisLossReads = Annotated[
    Literal["refuse", "local"],
    Field(description="Reads while Redis is away: refused like writes, or counted in each process by itself."),
]
StreamsPerUser = Annotated[
    int, Field(ge=1, le=1000, description="Streams one user may hold open at one process, to hear of changes.")
]
SubscriptionsPerStream = Annotated[
    int, Field(ge=1, le=1000, description="Resources that one stream, or one session, may be subscribed to.")
]
Deadline = Annotated[float, Field(gt=0, le=300, description="A tool's time, unless it declares its own.")]
LedgerTtl = Annotated[int, Field(ge=60, description="How long an idempotency key is kept.")]
LedgerWait = Annotated[float, Field(gt=0, le=30, description="How long a concurrent twin waits.")]
