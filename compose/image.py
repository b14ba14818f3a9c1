"""`python -m compose.image`: build the image with docker, podman or buildah, and write beside it what it is.

build/image/mcp-suite.tar          the image, as an OCI archive
build/image/sbom.cdx.json          what is inside: Python's packages and Debian's (CycloneDX 1.5)
build/image/provenance.json        where it came from (SLSA 1.0), for `cosign attest --type slsaprovenance1`
build/image/statement.json         the same about this image (in-toto 1.0)
"""

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from compose.builders import Builder, found_builder
from compose.oci import Archive
from compose.provenance import Built, predicate, statement
from compose.sbom import sbom
from shared.core.releases import this_release

ROOT = Path(__file__).parents[1]
BASE = "docker.io/library/python:3.13-slim-trixie"
NAME = "mcp-suite"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@dataclass(frozen=True)
class Source:
    """What is built.

    Attributes:
        revision: Of git; `-dirty` where files differ from it.
        epoch: When it was committed, in seconds.
    """

    version: str
    revision: str
    epoch: int

    @property
    def created(self) -> str:
        """As RFC 3339 has it."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@app.command()
def build(
    base: Annotated[str, typer.Option(help="The image it begins with; name it with its digest in production.")] = BASE,
    builder: Annotated[str | None, typer.Option(help="docker, podman or buildah; else the first that works.")] = None,
    into: Annotated[Path, typer.Option(help="Where what is written goes.")] = ROOT / "build" / "image",
) -> None:
    """Build `mcp-suite:dev`, and `mcp-suite:VERSION` beside it."""
    source, tool = read_source(ROOT), found_builder(builder)
    into.mkdir(parents=True, exist_ok=True)
    started = datetime.now(UTC)
    told = {"BASE": base, "VERSION": source.version, "REVISION": source.revision, "CREATED": source.created}
    told |= {"SOURCE_DATE_EPOCH": str(source.epoch)}
    typer.echo(f"{NAME}:{source.version} of {source.revision[:12]}, with {tool.name}; the first time takes minutes")
    tool.build(ROOT, ROOT / "compose" / "Dockerfile", (f"{NAME}:dev", f"{NAME}:{source.version}"), told, source.epoch)
    describe(tool, source, told, into, started)


def describe(tool: Builder, source: Source, told: dict[str, str], into: Path, started: datetime) -> None:
    """Save the image, and write its SBOM and provenance."""
    archive = Archive(into / f"{NAME}.tar")
    tool.save(f"{NAME}:{source.version}", archive.path)
    built = Built(
        name=NAME,
        digest=archive.digest,
        arguments=told,
        base=told["BASE"],
        base_digest=tool.digest(told["BASE"]),
        lock=ROOT / "uv.lock",
        revision=source.revision,
        builder=f"{tool.name} {tool.version()}",
        started=started,
    )
    made = predicate(built)
    _write(into / "sbom.cdx.json", sbom(ROOT, archive, f"{NAME}:{source.version}", source.epoch))
    _write(into / "provenance.json", made)
    _write(into / "statement.json", statement(built, made))
    typer.echo(f"{archive.digest}  {archive.path}\n{into}: sbom.cdx.json, provenance.json, statement.json")


def read_source(root: Path) -> Source:
    """Version, revision and time of what is there; without git they are said to be unknown."""
    version = this_release().version
    try:
        head, when = _git(root, "log", "-1", "--format=%H %ct").split()
        dirty = "-dirty" if _git(root, "status", "--porcelain").strip() else ""
    except (OSError, subprocess.CalledProcessError):
        return Source(version, "unknown", 0)
    return Source(version, head + dirty, int(when))


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - fixed words


def _write(path: Path, content: object) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    sys.exit(app())
