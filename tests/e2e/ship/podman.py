"""As much of compose as compose.yaml needs, over podman 4.3: what `docker compose up` does with it, in `podman run`s.

podman-compose 1.6 gives each container `--requires`, which podman 4.3 does not resolve across two steps. What differs
here from Docker: `cpus` and `memory` are left out (no cgroups in this namespace), and health checks run when asked.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+):-([^}]*)\}")


def podman(*words: str, check: bool = True, timeout_s: float = 60) -> str:
    """What podman prints.

    Raises:
        AssertionError: It failed; with what it said.
    """
    done = subprocess.run(["podman", *words], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr[-1500:]}"
    return done.stdout.strip()


@dataclass
class Stack:
    """The services of one profile, and the containers that were started of them."""

    path: Path
    profile: str
    variables: Mapping[str, str]
    started: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        text = _VARIABLE.sub(lambda found: self.variables.get(found[1], found[2]), self.path.read_text())
        self.document: dict[str, Any] = yaml.safe_load(text.replace("$$", "$"))
        self.services: dict[str, dict[str, Any]] = {
            name: told for name, told in self.document["services"].items() if self.profile in told["profiles"]
        }

    @property
    def staying(self) -> list[str]:
        """Containers that do not end by themselves."""
        return [one for one in self.started if self.services[one.rpartition("_")[0]]["restart"] != "no"]

    def create(self) -> None:
        """Networks and volumes."""
        for name, told in self.document["networks"].items():
            podman("network", "create", *(["--internal"] if told.get("internal") else []), name)
        for name in self.document["volumes"]:
            podman("volume", "create", name)

    def start(self, name: str) -> None:
        """Every replica of a service; one that runs once is waited for."""
        told = self.services[name]
        once = told["restart"] == "no"
        for number in range(1, told.get("deploy", {}).get("replicas", 1) + 1):
            container = f"{name}_{number}"
            podman("run", *([] if once else ["--detach"]), *self._options(container, name), timeout_s=180)
            self.started.append(container)

    def _options(self, container: str, service: str) -> Iterator[str]:
        told = self.services[service]
        yield from ("--name", container, "--user", told["user"], "--stop-signal", told.get("stop_signal", "SIGTERM"))
        yield from (["--read-only", "--read-only-tmpfs=false"] if told["read_only"] else [])
        yield from (f"--cap-drop={one}" for one in told["cap_drop"])
        yield from (f"--security-opt={one.partition(':')[0]}" for one in told["security_opt"])
        yield from (f"--tmpfs={one}" for one in told.get("tmpfs", ()))
        for name, value in told.get("environment", {}).items():
            if value is not None or name in os.environ:
                yield from ("--env", name if value is None else f"{name}={value}")
        networks = ",".join(told.get("networks", ())) or told["network_mode"]
        yield from ("--network", networks)
        yield from (["--network-alias", service] if "networks" in told else [])
        yield from (word for one in told.get("ports", ()) for word in ("--publish", one))
        yield from (word for one in self._mounts(told) for word in ("--volume", one))
        yield from self._health(told)
        if "entrypoint" in told:
            yield "--entrypoint=[]"
        yield from (told["image"], *told["command"])

    def _mounts(self, told: Mapping[str, Any]) -> Iterator[str]:
        for one in told.get("volumes", ()):
            yield str(self.path.parent / one) if one.startswith("./") else one
        for one in told.get("secrets", ()):
            named: dict[str, str] = {"source": one, "target": one} if isinstance(one, str) else one
            file = self.path.parent / self.document["secrets"][named["source"]]["file"]
            yield f"{file}:/run/secrets/{named['target']}:ro"

    def _health(self, told: Mapping[str, Any]) -> Iterator[str]:
        check = told.get("healthcheck", {})
        if check.get("disable") or not check:
            yield "--no-healthcheck"
            return
        kind, *words = check["test"]
        yield f"--health-cmd={words[0] if kind == 'CMD-SHELL' else json.dumps(words)}"
        yield "--health-interval=disable"
