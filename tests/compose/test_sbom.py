"""What `make image` says is inside: what CycloneDX 1.5 asks of it, and nothing that leads nowhere."""

import re
from pathlib import Path
from typing import Any

import pytest

from compose.oci import Archive
from compose.sbom import sbom

ROOT = Path(__file__).parents[2]
STATUS = """\
Package: libc6
Version: 2.41-12+deb13u1
Architecture: amd64

Package: zlib1g
Version: 1:1.3.dfsg+really1.3.1-1+b1
Architecture: amd64
"""
PURL = re.compile(r"pkg:(pypi|deb/debian|oci)/[a-z0-9.+-]+@[\w.~%+-]+(\?arch=\w+)?")


class Base(Archive):
    """An image with two packages of Debian."""

    digest = "sha256:" + "0" * 64  # pyright: ignore[reportAssignmentType] - a property of the real one

    def text(self, name: str) -> str | None:
        return STATUS if name == "var/lib/dpkg/status" else None


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return sbom(ROOT, Base(Path("none")), "mcp-suite:0.2.0", 1_700_000_000)


def test_it_says_what_it_is_of_and_when(told: dict[str, Any]) -> None:
    assert (told["bomFormat"], told["specVersion"], told["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", told["serialNumber"])
    assert told["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert told["metadata"]["component"]["type"] == "container"


def test_every_component_has_name_version_and_an_identity_of_its_own(told: dict[str, Any]) -> None:
    every = [told["metadata"]["component"], *told["components"]]
    assert len(every) > 50
    assert len({one["bom-ref"] for one in every}) == len(every)
    for one in every:
        assert one["type"] in {"container", "library"}
        assert one["name"]
        assert one["version"]
        assert one["name"] == "enterprise-mcp-suite" or PURL.fullmatch(one["purl"]), one


def test_all_that_is_inside_hangs_together_and_on_the_image(told: dict[str, Any]) -> None:
    known = {one["bom-ref"] for one in [told["metadata"]["component"], *told["components"]]}
    needs = {one["ref"]: set(one.get("dependsOn", ())) for one in told["dependencies"]}
    assert len(needs) == len(told["dependencies"])
    assert known >= needs.keys() | {ref for refs in needs.values() for ref in refs}
    reached, left = set[str](), [told["metadata"]["component"]["bom-ref"]]
    while left:
        one = left.pop()
        left += needs.get(one, set()) - reached
        reached.add(one)
    assert known == reached
