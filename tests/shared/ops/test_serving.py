"""Where a server that a process serves alone is reached."""

import servers
from shared.core.settings import Settings
from shared.ops.serving import addresses

CUSTOMERS = [servers.load("customers")]


def test_a_server_with_a_host_of_its_own_is_at_mcp() -> None:
    settings = Settings(public_url="https://customers.example")
    address = addresses(settings, CUSTOMERS, alone=True)["customers"]
    assert address.resource == "https://customers.example/mcp"


def test_a_server_that_shares_its_host_is_under_its_name_and_leaves_the_root_form_to_nobody() -> None:
    settings = Settings(public_url="https://suite.example", shared_url=True)
    address = addresses(settings, CUSTOMERS, alone=True)["customers"]
    assert address.resource == "https://suite.example/customers/mcp"
    assert address.metadata_paths == ["/.well-known/oauth-protected-resource/customers/mcp"]
