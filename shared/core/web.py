"""What a server declares that people use in a browser instead of programs over MCP: pages over its own tools."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from shared.core.caller import Caller
from shared.core.errors import Misconfigured

KEPT_FOR_THE_FRAME = ("/login", "/callback", "/logout", "/signed-out", "/static")
"""Where no view can be: sign-in, sign-out and static files."""


class Shown(Protocol):
    """What a view answers with; made by a method of `Visit`."""

    status_code: int


class Visit(Protocol):
    """One request of somebody who is signed in.

    Attributes:
        caller: Who, as for any server: the access token of the sign-in says so.
        path: Parts of the address, by the names in `View.path`.
        query: Of the address; of several values the last.
        form: What a POST sent; of several values the last. Its CSRF token was checked, and is not in it.
        typed: What was typed into a form of this page when its POST needed another sign-in; told once.
        nonce: Of this answer's content security policy.
    """

    @property
    def caller(self) -> Caller: ...
    @property
    def path(self) -> Mapping[str, str]: ...
    @property
    def query(self) -> Mapping[str, str]: ...
    @property
    def form(self) -> Mapping[str, str]: ...
    @property
    def typed(self) -> Mapping[str, str]: ...
    @property
    def nonce(self) -> str: ...

    def form_all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        ...

    def query_all(self, name: str) -> list[str]:
        """Every value of a parameter, in order."""
        ...

    def may(self, scope: str) -> bool:
        """Whether the caller holds the scope."""
        ...

    def url(self, path: str, **query: Any) -> str:
        """The address of a page: `/approvals` as a browser has to ask for it; parameters that are None are left out."""
        ...

    async def run(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The redacted answer of a tool of this server, through the whole pipeline.

        A write without an `idempotency_key` gets the form's own, so that a form that is sent twice acts once.

        Raises:
            Failure: As the tool or the pipeline says; not caught, it becomes an error page, and `StepUp` a sign-in.
            UnknownTarget: No such tool for this caller.
        """
        ...

    def page(self, template: str, *, status: int = 200, **values: Any) -> Shown:
        """A template of `Web.templates` (Jinja2, escaped), with `values` and the frame's own (docs/decisions/0042)."""
        ...

    def redirect(self, path: str, *, notice: str | None = None) -> Shown:
        """On to another page of this server (303); `notice` is shown once, on the next page."""
        ...

    def download(self, name: str, mime: str, chunks: AsyncIterator[bytes]) -> Shown:
        """A file for the browser to save."""
        ...

    def events(self, topics: Sequence[str]) -> Shown:
        """Server-sent events: `changed`, with the URI, for each notice of this server and the caller's tenant that
        begins with one of the topics. Ends with the session, and with the caller's rights.
        """
        ...


@dataclass(frozen=True)
class View:
    """One page, or what one form does.

    Attributes:
        path: As Starlette has it, below the server's own: `/approvals/{approval_id}`.
    """

    method: Literal["GET", "POST"]
    path: str
    show: Callable[[Visit], Awaitable[Shown]]


@dataclass(frozen=True)
class Web:
    """The pages of a server; with them it is for browsers, and is not offered over MCP.

    Attributes:
        templates: Folder of Jinja2 templates; `error.html` and `signed_out.html` replace the frame's own.
        static: Folder of files that anybody may read.
        scopes: What the sign-in asks for.
        home: Where a sign-in leads to that began nowhere.

    Raises:
        Misconfigured: Two views are the same, or one is where the frame is.
    """

    views: tuple[View, ...]
    templates: Path
    static: Path
    scopes: tuple[str, ...]
    home: str = "/"

    def __post_init__(self) -> None:
        places = [(view.method, view.path) for view in self.views]
        if twice := {place for place in places if places.count(place) > 1}:
            raise Misconfigured(f"declared twice: {sorted(twice)}")
        for view in self.views:
            if not view.path.startswith("/") or view.path.startswith(KEPT_FOR_THE_FRAME):
                raise Misconfigured(f"{view.path} is no place for a view; kept: {', '.join(KEPT_FOR_THE_FRAME)}")
