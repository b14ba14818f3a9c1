from hypothesis import given
from hypothesis import strategies as st

from shared.core.caller import Caller
from shared.core.scopes import IMPLIED_VERBS, expand

VERBS = ("read", "write", "pii", "export", "send", "decide", "admin", "", "other")
scopes = st.lists(
    st.builds("{}:{}".format, st.sampled_from(["customers", "mail", "", "a:b"]), st.sampled_from(VERBS))
    | st.text(max_size=20),
    max_size=8,
)


@given(scopes)
def test_what_is_implied_implies_nothing_more(granted: list[str]) -> None:
    assert expand(expand(granted)) == expand(granted) >= set(granted)


@given(scopes, scopes)
def test_more_scopes_never_hold_less(some: list[str], more: list[str]) -> None:
    assert expand([*some, *more]) == expand(some) | expand(more)


@given(scopes)
def test_a_scope_implies_scopes_of_its_own_server_alone(granted: list[str]) -> None:
    servers = {scope.partition(":")[0] for scope in granted}
    assert {scope.partition(":")[0] for scope in expand(granted)} == servers


@given(scopes)
def test_personal_data_is_shown_to_nobody_but_those_granted_it_or_everything(granted: list[str]) -> None:
    administered = {scope.partition(":")[0] for scope in granted if scope.partition(":")[2] == "admin"}
    gained = {scope for scope in expand(granted) - set(granted) if scope.partition(":")[2] == "pii"}
    assert gained == {f"{server}:pii" for server in administered} - set(granted)


def test_the_hierarchy_is_what_is_declared() -> None:
    assert expand(["mail:send"]) == {"mail:send", "mail:write", "mail:read"}
    assert expand(["customers:write"]) == {"customers:write", "customers:read"}
    assert expand(["approvals:decide"]) == {"approvals:decide", "approvals:read"}
    assert expand(["customers:pii"]) == {"customers:pii"}
    assert expand(["customers:admin"]) == {f"customers:{verb}" for verb in ("admin", *IMPLIED_VERBS["admin"])}


def test_a_word_that_is_no_scope_implies_nothing() -> None:
    assert expand(["admin", "customers", "customers:admin:x"]) == {"admin", "customers", "customers:admin:x"}


def test_a_caller_may_what_its_token_says_and_implies() -> None:
    granted = Caller.granted("customers:write  audit:read")
    caller = Caller("s", "i", "c", "acme", granted)
    assert [caller.may(scope) for scope in ("customers:read", "audit:read", "customers:pii", "mail:read")] == [
        *(True, True, False, False)
    ]
    assert Caller.granted(["customers:write", "audit:read"]) == granted
