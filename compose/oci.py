"""An image as an OCI archive (image-spec, image-layout): its digest, and files of its one layer."""

import io
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True)
class Archive:
    """What `podman push oci-archive:` or `docker save` (25 or newer) wrote."""

    path: Path

    @cached_property
    def digest(self) -> str:
        """Of the manifest, `sha256:…`: what a registry knows it by, and what is signed."""
        return str(self._json("index.json")["manifests"][0]["digest"])

    @cached_property
    def manifest(self) -> dict[str, Any]:
        found = self._blob(self.digest)
        if "manifests" in found:  # of several platforms, the first
            found = self._blob(found["manifests"][0]["digest"])
        return found

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """What it runs, as whom, and its labels."""
        return self._blob(self.manifest["config"]["digest"])

    def text(self, name: str) -> str | None:
        """A text file of the image, by its path without the first slash; None if it is not there."""
        for layer in reversed(self.manifest["layers"]):
            with tarfile.open(fileobj=io.BytesIO(self._raw(_place(layer["digest"])))) as files:
                found = next((one for one in files if one.name.removeprefix("./") == name and one.isfile()), None)
                content = files.extractfile(found) if found else None
                if content is not None:
                    return content.read().decode()
        return None

    def _blob(self, digest: str) -> dict[str, Any]:
        return self._json(_place(digest))

    def _json(self, name: str) -> dict[str, Any]:
        return orjson.loads(self._raw(name))

    def _raw(self, name: str) -> bytes:
        with tarfile.open(self.path) as archive:
            content = archive.extractfile(name)
            return content.read() if content else b""


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
