"""The policy engine, in the few words we use of it (Cedar: docs.cedarpolicy.com)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import cedarpy
import orjson

Entities = cedarpy.Entities
PolicySet = cedarpy.PolicySet
Schema = cedarpy.Schema
Json = dict[str, Any]

# Its own annotations say `dict` without what is in it.
# pyright: reportUnknownMemberType=false


@dataclass(frozen=True)
class Judged:
    """What a set of policies said.

    Attributes:
        policies: The names of those that made it so.
        errors: What could not be evaluated: then nothing is allowed.
    """

    allowed: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def judge(request: Json, policies: PolicySet, entities: Entities) -> Judged:
    """Cedar skips a policy that fails, a `forbid` too; here nothing is allowed then."""
    found = cedarpy.is_authorized({**request, "context": orjson.dumps(request["context"]).decode()}, policies, entities)
    errors = tuple(found.diagnostics.errors)
    return Judged(found.allowed and not errors, tuple(sorted(found.diagnostics.reasons)), errors)


def parse(text: str) -> list[Json]:
    """The policies of a text in Cedar's JSON form, in their order.

    Raises:
        ValueError: It is no Cedar.
    """
    whole: Json = orjson.loads(cedarpy.policies_to_json_str(text))
    if whole["templates"]:
        raise ValueError("templates are not linked here; write each statement out")
    # Numbered in order of appearance, but sorted as text: policy10 before policy2.
    numbered = sorted(whole["staticPolicies"].items(), key=lambda entry: int(entry[0].removeprefix("policy")))
    return [policy for _, policy in numbered]


def policy_set(policies: Mapping[str, Json]) -> PolicySet:
    """Policies in Cedar's JSON form, by the names that judgements give."""
    whole: Json = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
    return PolicySet.from_json_str(orjson.dumps(whole).decode())


def entities(made: Iterable[Json]) -> Entities:
    return Entities.from_json_str(orjson.dumps(list(made)).decode())


def with_entity(base: Entities, added: Json) -> Entities:
    return base.with_added_json_str(orjson.dumps([added]).decode())


def problems(text: str, schema: Schema) -> Iterator[tuple[str, str]]:
    """What does not fit the schema, with the `@id` of the policy it is in."""
    found = cedarpy.validate_policies(text, schema)
    names = cast("dict[str, str]", found.id_annotations_by_policy_id)
    yield from ((names.get(error.policy_id, ""), error.error) for error in found.errors)
