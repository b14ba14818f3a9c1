"""`docs/settings.md`: every setting, its default and what it means."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from shared.core.issuers import Issuer
from shared.core.notify_settings import Notify
from shared.core.settings import Settings
from shared.core.smtp_settings import Delivery, Smtp
from shared.core.tls_settings import Tls
from shared.core.upstreams import Upstream
from shared.core.vault_settings import Vault
from shared.ops.reference.table import NOTE, cell, code, table

_HEADS = ("variable", "default", "meaning")
_NESTED: dict[str, tuple[str, type[BaseModel]]] = {
    "TLS": ("tls", Tls),
    "Vault": ("vault", Vault),
    "Issuers": ("issuers__name", Issuer),
    "Upstreams": ("upstreams__name", Upstream),
    "Mail relay": ("smtp", Smtp),
    "Delivery of mails": ("mail", Delivery),
    "Telling approvers": ("notify__tenant", Notify),
}


def page() -> Iterator[str]:
    yield f"# Settings\n\n{NOTE}"
    yield f"{_doc(Settings)}\n"
    yield from table(_HEADS, (_row(_names(name, field), field) for name, field in Settings.model_fields.items()))
    for title, (prefix, model) in _NESTED.items():
        yield f"\n## {title}\n\n{_doc(model)}\n"
        parts = model.model_fields.items()
        yield from table(_HEADS, (_row([f"SUITE_{prefix}__{part}".upper()], field) for part, field in parts))


def _doc(model: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(model) or "").split())


def _names(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    names = alias.choices if isinstance(alias, AliasChoices) else []
    return [str(variable) for variable in names] or [f"SUITE_{name.upper()}"]


def _row(names: list[str], field: FieldInfo) -> tuple[str, str, str]:
    default = "" if field.is_required() else _default(field.default)
    return " or ".join(code(name) for name in names), default, cell(field.description or "")


def _default(value: Any) -> str:
    if value is None or value in ((), {}, "") or isinstance(value, BaseModel):
        return ""
    if isinstance(value, Path):
        return f"`{str(value).replace(str(Path.home()), '~', 1)}`"
    return f"`{' '.join(map(str, cast('tuple[Any, ...]', value)))}`" if isinstance(value, tuple) else f"`{value}`"
