"""Mask what a caller may not see: by field, as models declare it, and by pattern in every other text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from pydantic import BaseModel, RootModel

from shared.core.caller import Caller
from shared.core.labels import Label
from shared.steps.audit_copy import bounded_copy
from shared.steps.patterns import mask_all, mask_email, mask_phone, mask_text
from shared.steps.sensitive import Exact, Mark, Sensitive, Untrusted, plan

__all__ = [
    "Exact",
    "Redacted",
    "Sensitive",
    "Untrusted",
    "mask_all",
    "mask_email",
    "mask_phone",
    "redact",
    "redact_for_audit",
]


@dataclass(frozen=True, slots=True)
class Redacted:
    """What may be shown, ready for JSON.

    Attributes:
        redactions: The names of what was hidden: `email`, `a.note:iban`.
        untrusted: The fields that hold outsiders' text: `notes.text`.
        personal: Whether it shows what is masked for others.
        left: What the caller may still use up (`shared.steps.limits`).
        declared: What the tool says is in it.
        needs: Of a dry run: whose word the call itself would need, as policy says.
    """

    value: dict[str, Any]
    redactions: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()
    personal: bool = False
    left: Mapping[str, float] | None = None
    declared: frozenset[Label] = frozenset()
    needs: Mapping[str, Any] | None = None

    @property
    def labels(self) -> set[Label]:
        """What is in it, as far as redaction and the tool know."""
        words = {*self.declared, *({Label.UNTRUSTED} if self.untrusted else ())}
        return words | {Label.PERSONAL} if self.personal else words


def redact(answer: BaseModel, caller: Caller, pii_scope: str | None = None) -> Redacted:
    """The answer as this caller may see it.

    Holders of `pii_scope` see e-mail addresses and telephone numbers in free text; with None nobody does.
    Cards, bank accounts, national ids, secrets and internal paths are shown to nobody either way.
    """
    walk = _Walk(caller, contact=pii_scope is None or not caller.may(pii_scope))
    value = cast("dict[str, Any]", walk.model(answer, answer.model_dump(mode="json", by_alias=True), ""))
    return Redacted(value, tuple(walk.redactions), tuple(walk.untrusted), walk.personal)


@dataclass(slots=True)
class _Walk:
    """One pass over an answer and its dump, side by side: the one knows the types, the other is JSON."""

    caller: Caller
    contact: bool
    redactions: dict[str, None] = field(default_factory=dict[str, None])
    untrusted: dict[str, None] = field(default_factory=dict[str, None])
    personal: bool = False

    def model(self, model: BaseModel, dump: Any, path: str) -> Any:
        if isinstance(model, RootModel):
            marks = [part.mark for part in plan(type(cast("BaseModel", model)))]
            return self.value(cast("Any", model).root, dump, marks[0], path) if marks else dump
        if not isinstance(dump, dict):
            return self.value(None, dump, None, path)
        shown = cast("dict[str, Any]", dump)
        for part in plan(type(model)):
            said = shown.get(part.key)
            if type(said) is str:  # most fields are, and most have nothing to hide: no path is put together for them
                shown[part.key] = self.text(said, part.mark, path, part.key)
            elif said is not None:
                shown[part.key] = self.value(getattr(model, part.name), said, part.mark, _inside(path, part.key))
        for name, extra in (model.model_extra or {}).items():
            if name in shown:
                shown[name] = self.value(extra, shown[name], None, _inside(path, name))
        return shown

    def value(self, value: Any, dump: Any, mark: Mark, path: str) -> Any:
        if isinstance(dump, str):
            return self.text(dump, mark, path)
        if isinstance(value, BaseModel):
            return self.model(value, dump, path)
        if isinstance(dump, list):
            items = cast("list[Any]", dump)
            return [self.value(one, item, mark, path) for one, item in _pairs(value, items)]
        if isinstance(dump, dict):
            named = cast("dict[str, Any]", dump)
            values = [self.value(one, item, mark, path) for one, item in _pairs(value, list(named.values()))]
            return dict(zip(self.keys(named, mark, path), values, strict=True))
        if isinstance(mark, Sensitive) and isinstance(dump, int | float) and not isinstance(dump, bool):
            return self.text(str(dump), mark, path)
        return dump

    def keys(self, named: Iterable[str], mark: Mark, path: str) -> Iterable[str]:
        """The keys of a free mapping: data as well, so patterns apply; two alike after masking stay apart."""
        seen: dict[str, None] = {}
        for key in named:
            shown = self.text(key, mark if isinstance(mark, Exact) else None, path)
            while shown in seen:
                shown += "~"
            seen[shown] = None
        return seen

    def text(self, text: str, mark: Mark, path: str, key: str = "") -> str:
        """The text as it may be shown; it is that of `path`, or of `key` in it."""
        if isinstance(mark, Exact) or not text:
            return text
        if isinstance(mark, Sensitive):
            may = self.caller.may(mark.scope)
            self.personal = self.personal or may
            masked = text if may else mark.mask(text)
            names: Sequence[str] = ("",) if masked != text else ()
        else:
            found: Sequence[str] = ()
            if isinstance(mark, Untrusted):
                text, found = self.outsiders(text, mark, _inside(path, key))
            masked, names = mask_text(text, contact=self.contact)
            names = (*found, *names) if found else names
        for name in names:
            inside = _inside(path, key)
            self.redactions[f"{inside}:{name}" if name else inside] = None
        return masked

    def outsiders(self, text: str, mark: Untrusted, path: str) -> tuple[str, Sequence[str]]:
        self.untrusted[path] = None
        return _neutralising()[mark.form](text)


@cache
def _neutralising() -> Mapping[str, Callable[[str], tuple[str, Sequence[str]]]]:
    """By form of the text; its rules take 30 ms to import, and a client over stdio waits for its list, not for them."""
    from shared.steps import untrusted  # noqa: PLC0415 - as said above

    return {
        "note": untrusted.neutralise,
        "document": untrusted.neutralise_document,
        "shown": untrusted.neutralise_shown,
    }


def _inside(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _pairs(value: Any, items: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """Each part of a dumped container with the value it came from, where that is known."""
    if type(value) is list and len(value) == len(items):  # pyright: ignore[reportUnknownArgumentType]
        return zip(cast("list[Any]", value), items, strict=True)
    parts = list(value.values()) if isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
    if not isinstance(parts, list | tuple | set | frozenset) or len(parts) != len(items):  # pyright: ignore[reportUnknownArgumentType]
        parts = [None] * len(items)
    return zip(cast("Iterable[Any]", parts), items, strict=True)


def redact_for_audit(arguments: Mapping[str, Any] | BaseModel, like: type[BaseModel] | None = None) -> Redacted:
    """Arguments as the audit keeps them: masked whoever calls, bounded, and never a reason to fail.

    Every Sensitive field is masked; patterns apply to all other text, `Exact` included, since unparsed
    arguments are whatever the caller typed. What was left out is named `...:cut`. `like` is the model that
    unparsed arguments were meant for: its marks then hold for them too.
    """
    value, redactions = bounded_copy(arguments, like)
    return Redacted(value, redactions)
