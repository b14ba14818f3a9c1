"""What `make fleet` prints can be typed as it stands."""

from types import SimpleNamespace
from typing import cast

import pytest

from compose.fleet import show
from compose.fleet.fleet import Fleet


@pytest.mark.parametrize(
    ("servers", "called"),
    [(("console", "customers", "mail"), "customers"), (("mail", "customers"), "mail"), (("console",), "console")],
)
def test_the_server_of_the_examples_is_one_that_clients_call(servers: tuple[str, ...], called: str) -> None:
    def url(name: str) -> str:
        return f"https://127.0.0.1:8443/{name}" + ("" if name == "console" else "/mcp")

    fleet = SimpleNamespace(replicas=dict.fromkeys(servers), plan=SimpleNamespace(url=url))
    assert show._called(cast("Fleet", fleet)) == called  # pyright: ignore[reportPrivateUsage] - what is printed around it needs a fleet
