from shared.core.errors import Unauthenticated
from shared.steps.challenges import ADVICE, challenge_401, challenge_403

METADATA = "https://suite.example/.well-known/oauth-protected-resource/customers/mcp"


def test_a_first_request_is_challenged_without_an_error() -> None:
    for reason in ("missing", "scheme"):
        value = challenge_401(
            Unauthenticated(reason, "x"), metadata_url=METADATA, scopes=("customers:read", "customers:pii")
        )
        assert value == f'Bearer resource_metadata="{METADATA}", scope="customers:read customers:pii"'


def test_a_refused_token_is_challenged_with_its_reason() -> None:
    error = Unauthenticated("expired", "The access token expired; obtain a new one")
    assert challenge_401(error, metadata_url=METADATA, scopes=("customers:read",)) == (
        'Bearer error="invalid_token", error_description="The access token expired; obtain a new one", '
        f'resource_metadata="{METADATA}", scope="customers:read"'
    )


def test_a_lacking_scope_is_challenged_with_all_the_operation_needs() -> None:
    value = challenge_403(
        ("customers:read", "customers:export"), metadata_url=METADATA, description="Export needs a scope"
    )
    assert value == (
        'Bearer error="insufficient_scope", scope="customers:read customers:export", '
        f'resource_metadata="{METADATA}", error_description="Export needs a scope"'
    )


def test_a_challenge_cannot_be_broken_out_of() -> None:
    value = challenge_403((), metadata_url=METADATA, description='a" b\\\r\nSet-Cookie: x=1')
    assert 'error_description="a bSet-Cookie: x=1"' in value
    assert "scope=" not in value.replace("insufficient_scope", "")
    assert not {"\r", "\n", "\\"} & set(value)


def test_every_description_may_stand_in_a_challenge() -> None:
    for reason, advice in ADVICE.items():
        assert advice.isascii()
        assert not {'"', "\\"} & set(advice), reason
