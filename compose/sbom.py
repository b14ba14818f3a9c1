"""What is inside the image, as CycloneDX 1.5: what uv.lock puts there, and what is left of the base's Debian."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import orjson

from compose.oci import Archive
from shared.core.errors import Misconfigured

_FIELD = re.compile(r"^(Package|Version|Architecture): (.*)$", re.MULTILINE)


def sbom(root: Path, archive: Archive, name: str, epoch: int) -> dict[str, Any]:
    """The document; the same image gives the same one.

    Raises:
        Misconfigured: uv.lock and pyproject.toml do not fit together.
    """
    made = _python(root)
    debian = list(_debian(archive.text("var/lib/dpkg/status") or ""))
    purl = f"pkg:oci/{name.partition(':')[0]}@{quote(archive.digest)}"
    made["serialNumber"] = f"urn:uuid:{uuid5(NAMESPACE_URL, purl)}"
    made["metadata"]["timestamp"] = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about: dict[str, Any] = {"type": "container", "bom-ref": purl, "name": name, "version": archive.digest}
    ours = made["metadata"].get("component")
    made["metadata"]["component"] = {**about, "purl": purl}
    made["components"] = [*([ours] if ours else []), *made.get("components", []), *debian]
    holds = [one["bom-ref"] for one in [*([ours] if ours else []), *debian]]
    made["dependencies"] = [{"ref": purl, "dependsOn": holds}, *made.get("dependencies", [])]
    return made


def _python(root: Path) -> dict[str, Any]:
    uv = Path(sys.executable).with_name("uv")
    words = ["export", "--frozen", "--no-dev", "--extra", "sink", "--format", "cyclonedx1.5", "--quiet"]
    command = [str(uv if uv.exists() else "uv"), *words, "--preview-features", "sbom-export"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    if done.returncode:
        raise Misconfigured(f"uv cannot export the lock: {done.stderr.strip()}")
    return orjson.loads(done.stdout)


def _debian(status: str) -> Iterator[dict[str, Any]]:
    for entry in status.split("\n\n"):
        told = dict(_FIELD.findall(entry))
        if told.keys() >= {"Package", "Version", "Architecture"}:
            version, architecture = told["Version"], told["Architecture"]
            purl = f"pkg:deb/debian/{told['Package']}@{quote(version, safe='')}?arch={architecture}"
            yield {
                "type": "library", "bom-ref": purl, "name": told["Package"], "version": version, "purl": purl,
            }  # fmt: skip
