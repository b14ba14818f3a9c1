"""A client's file: ours is added or taken away, everything else stays as it is."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from shared.core.errors import Misconfigured


def merge(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Add what is wanted to the client's file; whether that changed it.

    Tables are merged by name, and inputs by their `id`. What was there is kept beside it, in `backup_of(path)`.

    Raises:
        Misconfigured: The file is there but is not a JSON object of this form; it is not touched.
    """
    text, current = _read(path, [key for key in wanted if key != "inputs"])
    merged = {**current}
    for key, value in wanted.items():
        if key == "inputs":
            merged[key] = _with_inputs(current.get(key, []), value)
        else:
            merged[key] = {**current.get(key, {}), **value}
    return _replace(path, text, current, merged)


def remove(path: Path, key: str, names: Collection[str], inputs: Collection[str] = ()) -> bool:
    """Take these servers out of the client's file; whether there were any.

    Args:
        path: The file.
        key: Under which it has the servers.
        names: Of the servers.
        inputs: By `id`, what was asked for their sake; gone too unless another server names it.

    Raises:
        Misconfigured: As `merge`.
    """
    text, current = _read(path, [key])
    kept = {name: value for name, value in current.get(key, {}).items() if name not in names}
    merged = {**current, **({key: kept} if key in current else {})}
    if isinstance(asked := current.get("inputs"), list):
        named = json.dumps(kept)
        unused = {id_ for id_ in inputs if f"${{input:{id_}}}" not in named}
        merged["inputs"] = [one for one in cast("list[Any]", asked) if _id(one) not in unused]
        if not merged["inputs"] and asked:
            del merged["inputs"]
    return _replace(path, text, current, merged)


def backup_of(path: Path) -> Path:
    """Where the file is kept as it was before we changed it last."""
    return path.with_name(f"{path.name}.before-suite")


def _read(path: Path, tables: Collection[str]) -> tuple[str | None, dict[str, Any]]:
    try:
        text = path.read_text("utf-8") if path.exists() else None
        current: Any = json.loads(text) if text is not None else {}
    except ValueError:
        raise Misconfigured(
            f"{path} is not valid JSON, or has comments, which would be lost. Nothing was written: repair it, or add "
            "what is printed without --write by hand"
        ) from None
    found = cast("dict[str, Any]", current) if isinstance(current, dict) else None
    if found is None or not all(isinstance(found.get(key, {}), dict) for key in tables):
        raise Misconfigured(f"{path} is not a configuration we understand; nothing was written")
    if not isinstance(found.get("inputs", []), list):
        raise Misconfigured(f"{path}: `inputs` is no list; nothing was written")
    return text, found


def _with_inputs(there: list[Any], wanted: list[dict[str, Any]]) -> list[Any]:
    ids = {_id(one) for one in there}
    return [*there, *(one for one in wanted if one["id"] not in ids)]


def _id(one: Any) -> Any:
    return cast("dict[str, Any]", one).get("id") if isinstance(one, dict) else None


def _replace(path: Path, text: str | None, current: Mapping[str, Any], merged: Mapping[str, Any]) -> bool:
    if current == merged and text is not None:
        return False
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if text is not None else 0o600  # other servers' entries may hold secrets
    if text is not None:
        _write(backup_of(path), text, mode)
    _write(path, json.dumps(merged, indent=2, ensure_ascii=False) + "\n", mode)
    return True


def _write(path: Path, text: str, mode: int) -> None:
    """All of it or nothing: whoever reads meanwhile sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(0o600)
    draft.write_text(text, "utf-8")
    draft.chmod(mode)
    draft.replace(path)
