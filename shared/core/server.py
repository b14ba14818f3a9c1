from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.core.background import Background
from shared.core.caller import Caller
from shared.core.errors import Misconfigured
from shared.core.tool import Toolset
from shared.core.views import Views

Worker = Callable[[Background], Awaitable[None]]


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

    def over_views(self) -> "Server":
        """The same server as it is over a company's own database: it reads, and nothing works in the background.

        Raises:
            Misconfigured: It cannot be served from one.
        """
        if self.views is None:
            variable = f"SUITE_DOMAIN_URL__{self.name.upper()}"
            raise Misconfigured(f"{variable} is set, but the server {self.name} keeps its own data: unset it")
        return replace(self, tools=self.views.tools, instructions=self.views.instructions, workers=())
