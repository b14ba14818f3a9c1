"""The programs that build images: docker where its daemon answers, else podman, else buildah."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.core.errors import Misconfigured

NAMES = ("docker", "podman", "buildah")
_PATIENCE_S = 20


@dataclass(frozen=True)
class Builder:
    """One of them, at work."""

    name: str

    def build(
        self, context: Path, dockerfile: Path, tags: Sequence[str], arguments: Mapping[str, str], epoch: int
    ) -> None:
        """Build, with every file and the image itself as old as `epoch`.

        Raises:
            Misconfigured: It failed; what it said is on the terminal.
        """
        told = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        named = [word for tag in tags for word in ("--tag", tag)]
        common = [*named, *told, "--file", str(dockerfile), str(context)]
        if self.name == "docker":
            self._run(["buildx", "build", "--load", *common], environment={"SOURCE_DATE_EPOCH": str(epoch)})
        else:  # `docker` is the format that has health checks
            verb = ["bud", "--isolation=chroot"] if self.name == "buildah" else ["build"]
            self._run([*verb, "--format=docker", f"--timestamp={epoch}", *common])

    def save(self, image: str, path: Path) -> None:
        """Write the image as an OCI archive."""
        path.unlink(missing_ok=True)
        if self.name == "docker":
            self._run(["save", "--output", str(path), image])
        else:
            self._run(["push", "--quiet", image, f"oci-archive:{path}:{image}"])

    def digest(self, image: str) -> str | None:
        """Of an image that was pulled from a registry: `sha256:…`; None for one made here."""
        if "@" in image:
            return image.partition("@")[2]
        if self.name == "buildah":
            return None
        told = self._told(["image", "inspect", "--format", "{{index .RepoDigests 0}}", image]).strip()
        return told.partition("@")[2] or None

    def version(self) -> str:
        """As it says itself."""
        return self._told(["--version"]).strip().removeprefix(f"{self.name} version ")

    def _run(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        done = subprocess.run([self.name, *words], env={**os.environ, **(environment or {})}, check=False)  # noqa: S603
        if done.returncode:
            raise Misconfigured(f"`{self.name} {words[0]}` ended with {done.returncode}; its words are above")

    def _told(self, words: Sequence[str]) -> str:
        done = subprocess.run([self.name, *words], capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout if done.returncode == 0 else ""


def found_builder(name: str | None = None) -> Builder:
    """The named one, or the first that works here.

    Raises:
        Misconfigured: There is none.
    """
    for one in (name,) if name else NAMES:
        if one in NAMES and shutil.which(one) and _works(one):
            return Builder(one)
    raise Misconfigured(f"{name or 'none of ' + ', '.join(NAMES)} works here: install one, or start Docker's daemon")


def _works(name: str) -> bool:
    try:
        asked = [name, "info"]
        return subprocess.run(asked, capture_output=True, timeout=_PATIENCE_S, check=False).returncode == 0  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
