"""One rule for listing and for calling: every scope is needed, and a lacking one is told with all of them."""

from dataclasses import replace

import pytest

from servers.customers.tools import tools
from shared.core.caller import Caller
from shared.core.errors import Forbidden, UnknownTarget
from shared.core.request import Request
from shared.steps import policy

TOOL = replace(tools.tools["get_customer"], scopes=("customers:export", "customers:pii"))
REQUEST = Request("customers", "tool", TOOL.name)


def caller(*scopes: str) -> Caller:
    return Caller("sam", "https://issuer.example", "client", "acme", Caller.granted(list(scopes)))


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ((), False),
        (("customers:export",), False),
        (("customers:pii",), False),
        (("tickets:export", "tickets:pii"), False),
        (("customers:export", "customers:pii"), True),
        (("customers:admin",), True),
    ],
)
def test_a_tool_is_shown_and_called_only_with_all_of_its_scopes(scopes: tuple[str, ...], may: bool) -> None:
    assert policy.shows(caller(*scopes), TOOL) is may
    if may:
        assert policy.visible(caller(*scopes), TOOL, REQUEST) is TOOL
    else:
        with pytest.raises(Forbidden):
            policy.visible(caller(*scopes), TOOL, REQUEST)


def test_a_lacking_scope_is_told_with_all_the_operation_needs() -> None:
    with pytest.raises(Forbidden) as refused:
        policy.visible(caller("customers:export"), TOOL, REQUEST)
    assert refused.value.scopes == TOOL.scopes
    assert refused.value.details == {"required_scopes": list(TOOL.scopes)}
    assert " ".join(TOOL.scopes) in refused.value.message


def test_what_does_not_exist_is_unknown_to_everybody() -> None:
    with pytest.raises(UnknownTarget, match="get_customer"):
        policy.visible(caller("customers:admin"), None, REQUEST)
