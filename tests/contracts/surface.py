"""The surface clients see, as files: one for each tool, resource template, listing and prompt (`make snapshots`
writes them).

A breaking change is written only once the server's major version has moved; other words of a prompt only once the
prompt's own version has.
"""

import inspect
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import servers
from shared.core.server import Server
from shared.edge.describe import VERSION, describe, describe_prompt, describe_template

FOLDER = Path(__file__).parent / "snapshots"

Snapshot = dict[str, Any]


def current() -> dict[str, Snapshot]:
    """File name → what clients are shown now, with the scopes a call needs and the version of the server."""
    return {name: found for server in servers.over_mcp() for name, found in _of(server).items()}


def _of(server: Server) -> dict[str, Snapshot]:
    tools = {
        f"{server.name}.{tool.name}.json": {
            "scopes": list(tool.scopes),
            **({"links": tool.links} if tool.links else {}),
            **_dump(describe(tool)),
        }
        for tool in server.tools.tools.values()
    }
    lists = server.tools.lists
    listing = {f"{server.name}.listing.json": {"scopes": list(lists.scopes), "name": lists.name}} if lists else {}
    templates = {
        f"{server.name}.resource.{resource.tool.name}.json": {
            "scopes": list(resource.tool.scopes),
            **_dump(describe_template(resource)),
        }
        for resource in server.tools.resources.values()
    }
    prompts = {
        f"{server.name}.prompt.{name}.json": {
            "scopes": list(prompt.tool.scopes),
            "source": sha256(inspect.getsource(prompt.tool.run).encode()).hexdigest(),
            **_dump(describe_prompt(prompt)),
        }
        for name, prompt in server.tools.prompts.items()
    }
    return {
        name: {"version": server.version, **found} for name, found in (tools | listing | templates | prompts).items()
    }


def _dump(shown: Any) -> Snapshot:
    return shown.model_dump(mode="json", by_alias=True, exclude_none=True)


def kept() -> dict[str, Snapshot]:
    """File name → what was committed."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def breaking(old: Snapshot | None, new: Snapshot | None) -> list[str]:
    """What in the change would break a client that works today."""
    if old is None:
        return []
    if new is None:
        return ["it is gone"]
    found = [f"scope {scope} is needed now" for scope in new["scopes"] if scope not in old["scopes"]]
    if old.get("uriTemplate") != new.get("uriTemplate"):
        found.append("the URI template is another")
    if old.get("links") and not new.get("links"):
        found.append("it links no resources any more")
    found += _reprompted(old, new)
    for word, which, compare in (("argument", "inputSchema", _narrowed), ("answer", "outputSchema", _shrunk)):
        before, after = old.get(which, {}), new.get(which, {})
        found += [f"{word} {problem}" for problem in compare(answer_of(before), answer_of(after))]
        parts, same = before.get("$defs", {}), after.get("$defs", {})
        for name in sorted(parts.keys() & same.keys()):
            found += [f"{word} {name}.{problem}" for problem in compare(parts[name], same[name])]
    return found


def _reprompted(old: Snapshot, new: Snapshot) -> list[str]:
    """What in a prompt's change would break a client, or steer its model otherwise without saying so."""
    given = {argument["name"] for argument in new.get("arguments", [])}
    needed = {argument["name"] for argument in old.get("arguments", []) if argument.get("required")}
    found = [
        f"argument {argument['name']} is gone" for argument in old.get("arguments", []) if argument["name"] not in given
    ]
    found += [
        f"argument {argument['name']} is required now"
        for argument in new.get("arguments", [])
        if argument.get("required") and argument["name"] not in needed
    ]
    same_version = old.get("_meta", {}).get(VERSION) == new.get("_meta", {}).get(VERSION)
    if old.get("source") != new.get("source") and same_version:
        found.append("its words may differ: move the prompt's own version")
    return found


def answer_of(schema: Snapshot) -> Snapshot:
    """Of an answer or a failure, the answer."""
    return schema.get("anyOf", [schema])[0]


def _narrowed(old: Snapshot, new: Snapshot) -> list[str]:
    """What could be sent and no longer can."""
    before, after = old.get("properties", {}), new.get("properties", {})
    gone = [f"{name} is gone" for name in before if name not in after]
    needed = [f"{name} is required now" for name in new.get("required", []) if name not in old.get("required", [])]
    return gone + needed + _retyped(before, after)


def _shrunk(old: Snapshot, new: Snapshot) -> list[str]:
    """What was answered and no longer is."""
    before, after = old.get("properties", {}), new.get("properties", {})
    return [f"{name} is gone" for name in before if name not in after] + _retyped(before, after)


def _retyped(before: Snapshot, after: Snapshot) -> list[str]:
    return [
        f"{name} has another type"
        for name in before.keys() & after.keys()
        if any(before[name].get(key) != after[name].get(key) for key in ("type", "anyOf", "$ref", "items"))
    ]


def tokens(server: Server) -> int:
    """About how many tokens a model reads of a server before its first call: four characters each, as a rule."""
    shown = [found for name, found in current().items() if name.startswith(f"{server.name}.")]
    read = [json.dumps({key: tool.get(key) for key in ("name", "description", "inputSchema")}) for tool in shown]
    return sum(map(len, read)) // 4


def major(snapshot: Snapshot) -> int:
    return int(snapshot["version"].partition(".")[0])


def write() -> list[str]:
    """Write the files anew; returns the breaking changes that kept it from doing so."""
    old, new = kept(), current()
    moved = {name.partition(".")[0]: major(found) for name, found in new.items()}
    refused = [
        f"{name}: {problem}"
        for name, was in old.items()
        if moved.get(name.partition(".")[0], 0) <= major(was)
        for problem in breaking(was, new.get(name))
    ]
    if not refused:
        for name in old.keys() - new.keys():
            (FOLDER / name).unlink()
        for name, found in new.items():
            (FOLDER / name).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return refused


if __name__ == "__main__":
    if problems := write():
        sys.exit("These break clients; move the server's major version first:\n  " + "\n  ".join(problems))
    for each in servers.over_mcp():
        sys.stdout.write(f"{each.name}: {len(each.tools.tools)} tools, about {tokens(each)} tokens of descriptions\n")
