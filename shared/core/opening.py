"""What a server may open for itself, once a process (`Server.open`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.core.settings import Settings

if TYPE_CHECKING:
    from shared.core.server import Server


@dataclass(frozen=True)
class Process:
    """What a server is opened with.

    Attributes:
        urls: Database URLs by role (`shared.state.roles.Urls`).
        database: The pool of the application's role (`Database`).
        stores: What replicas share (`Stores`).
        keys: The key rings (`Keys`).
        switches: What is switched off (`Switches`).
        sink: Where audit records go.
        checks: The process's health checks, by name.
        servers: Every server there is, by name, whether or not this process serves it.
        publish: Tells the followers of a server's resources in a tenant that these changed.
    """

    settings: Settings
    urls: Any
    database: Any
    stores: Any
    keys: Any
    switches: Any
    sink: Any
    checks: Mapping[str, Any] = field(default_factory=dict[str, Any])
    servers: Mapping[str, "Server"] = field(default_factory=dict[str, "Server"])
    publish: Callable[[str, str, Sequence[str]], Awaitable[None]] | None = None
