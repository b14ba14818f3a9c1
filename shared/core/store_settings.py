"""Settings of PostgreSQL and Redis."""

from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr

DatabaseUrl = Annotated[
    SecretStr | None,
    Field(
        validation_alias=AliasChoices("SUITE_DATABASE_URL", "DATABASE_URL"),
        description="The application role's; without it an embedded PostgreSQL is started.",
    ),
]
DatabaseOwnerUrl = Annotated[SecretStr | None, Field(description="Owner of the tables; used by migrations alone.")]
DatabaseReaderUrl = Annotated[
    SecretStr | None, Field(description="May read the audit; used by `mcp-suite audit` alone.")
]
DatabaseOperatorUrl = Annotated[
    SecretStr | None,
    Field(description="May switch tools, clients and users off; used by `mcp-suite stop` and `resume` alone."),
]
DatabaseConsoleUrl = Annotated[
    SecretStr | None,
    Field(description="Decides what was asked for, besides what the two above may; used by the console alone."),
]
DatabaseAdminUrl = Annotated[
    SecretStr | None,
    Field(
        description="A role that row-level security does not bind; used by `mcp-suite db backup` and `restore` alone "
        "(docs/back-up-and-restore.md)."
    ),
]
SwitchPoll = Annotated[
    float,
    Field(gt=0, le=5, description="How often each process looks for what was switched off; Redis tells sooner."),
]
DomainUrl = Annotated[
    dict[str, SecretStr],
    Field(
        description="`SUITE_DOMAIN_URL__CUSTOMERS`: the customers server reads your own database, as a role that "
        "can only read (docs/connect-your-database.md)."
    ),
]
DomainTenant = Annotated[
    dict[str, str],
    Field(description="`SUITE_DOMAIN_TENANT__CUSTOMERS`: the one tenant that all rows of that database are of."),
]
Replicas = Annotated[
    int, Field(ge=1, le=1000, description="Processes like this one; with pool_max, what PostgreSQL must allow.")
]
PoolMin = Annotated[int, Field(ge=1, le=50, description="Database connections kept open.")]
PoolMax = Annotated[int, Field(ge=1, le=50, description="Database connections at most.")]
PoolAcquire = Annotated[float, Field(gt=0, le=60, description="How long a call waits for a connection.")]
StatementTimeout = Annotated[float, Field(gt=0, le=30, description="A statement's time.")]
RedisUrl = Annotated[
    SecretStr | None,
    Field(
        validation_alias=AliasChoices("SUITE_REDIS_URL", "REDIS_URL"),
        description="Where sessions are kept and limits counted; without it in the process.",
    ),
]
StartWait = Annotated[
    float | None,
    Field(
        ge=0,
        le=600,
        description="Seconds that a process asks again at start for a PostgreSQL, or tables, that are not there yet; "
        "default 0, with profile=fleet 30. Redis and the identity provider are asked when they are needed.",
    ),
]
RedisTimeout = Annotated[float, Field(gt=0, le=30, description="How long Redis may take to answer.")]
