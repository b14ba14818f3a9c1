"""The contract of views: what a company writes over its own tables so that a server can read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.core.toolset import Toolset

ViewType = Literal["text", "integer", "numeric", "timestamptz", "text[]"]


@dataclass(frozen=True)
class ViewColumn:
    """One column of a view.

    Attributes:
        type: What it must be; `doctor` names the cast for anything else.
        meaning: One line for whoever writes the view.
        nullable: May hold NULL, and may be missing, which is the same.
        pattern: A regular expression that every value matches, where tools or their answers demand one.
        values: The only values it may hold; empty: any.
        example: An expression in SQL that makes such a value.
    """

    type: ViewType
    meaning: str
    nullable: bool = False
    pattern: str | None = None
    values: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class View:
    """One view, named like the server's own table that it stands for.

    Attributes:
        key: The columns that name a row within its tenant.
        belongs_to: The column that names a row of another view, and that view; its key is one column.
        numbered: The column that counts from 1 within what the row belongs to.
    """

    columns: Mapping[str, ViewColumn]
    key: tuple[str, ...]
    belongs_to: tuple[str, str] | None = None
    numbered: str | None = None


@dataclass(frozen=True)
class Views:
    """What a server needs, and what it offers, when it reads a company's own database.

    Each view also has a column `tenant_id text`, unless one tenant is pinned in the settings.

    Attributes:
        tables: By the name of the view and of the server's own table.
        tools: Reads only.
        instructions: What a client tells the model about the server.
        trials: Arguments of a call of each tool, with `{column}` of a row of the first view: `doctor` times them.
        schema: Where the views are.
    """

    tables: Mapping[str, View]
    tools: Toolset
    instructions: str
    trials: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    schema: str = "mcp"
