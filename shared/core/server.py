from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shared.core.background import Background
from shared.core.caller import Caller
from shared.core.errors import Misconfigured
from shared.core.opening import Process
from shared.core.over import Over
from shared.core.toolset import Toolset
from shared.core.views import Views
from shared.core.web import Web
from shared.core.whole import require_whole
from shared.core.work import Work

Worker = Callable[[Background], Awaitable[None]]
Open = Callable[[Process], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Server:
    """The declaration of one MCP server; a folder under `servers/` with a `server.py` that holds one is a server.

    Attributes:
        name: Its folder, its path in URLs, the first half of its scopes and the name of its database schema.
        version: Of its surface (tools, resources, prompts); semantic.
        instructions: What a client tells the model about the server as a whole.
        policy: The file that says who may do what (docs/policy.md); without one it is not served.
        baseline: The scopes a client should ask for first (the challenge of a 401).
        migrations: Folder of its Alembic revisions, if it keeps tables of its own.
        workers: What runs beside the calls in every replica, until cancelled; each gets a `Background`.
        clearances: Scopes that no tool asks for; what their holders are shown follows from them.
        rights: What of the caller its row-level security asks for, beyond the tenant: the words of `app.rights`.
        views: What it needs and offers over a company's own database, if it can be served from one.
        over: What it offers over other people's systems, by the name of the upstream in the settings.
        web: Its pages, where people use it in a browser; it is not offered over MCP then (docs/decisions/0042).
        open: Opens, once a process, what its tools and workers reach as `call.opened` and `background.opened`.

    Raises:
        Misconfigured: Its tools begin work that nobody does, or that a client could not follow.
    """

    name: str
    title: str
    version: str
    instructions: str
    tools: Toolset
    baseline: tuple[str, ...]
    policy: Path | None = None
    migrations: Path | None = None
    workers: tuple[Worker, ...] = ()
    clearances: tuple[str, ...] = ()
    rights: Callable[[Caller], Sequence[str]] | None = None
    views: Views | None = None
    over: Mapping[str, Over] = field(default_factory=dict[str, Over])
    web: Web | None = None
    open: Open | None = None

    def __post_init__(self) -> None:
        require_whole(self.tools)

    @property
    def work(self) -> Mapping[str, Work]:
        """What its tools begin and do not wait for, by the tool (docs/long-running-work.md)."""
        return self.tools.works

    def over_views(self) -> "Server":
        """The same server as it is over a company's own database: it reads, and nothing works in the background.

        Raises:
            Misconfigured: It cannot be served from one.
        """
        if self.views is None:
            variable = f"SUITE_DOMAIN_URL__{self.name.upper()}"
            raise Misconfigured(f"{variable} is set, but the server {self.name} keeps its own data: unset it")
        return replace(self, tools=self.views.tools, instructions=self.views.instructions, workers=())

    def over_upstream(self, name: str) -> "Server":
        """The same server as it is over the upstream of that name: nothing of it is kept or done here."""
        over = self.over[name]
        return replace(self, tools=over.tools, instructions=over.instructions, workers=())
