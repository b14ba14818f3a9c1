"""Podman by itself: storage under one folder, and namespaces that end with the process that asked for them.

Nothing of the machine is changed: networks, their firewall rules and mounts are made in a network and a mount namespace
of their own, and a process namespace takes every container along when it ends.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compose.proxy.packages import unpack

_TOOLS = Path(__file__).parents[3] / ".venv" / ".tools"
_HELPERS = ("netavark", "aardvark-dns")
_BEGIN = """
umount /sys/fs/cgroup/unified 2>/dev/null
mount -t proc proc /proc && mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"
"""


def missing() -> str | None:
    """Why it cannot be done here, if so."""
    if os.geteuid() != 0:
        return "root is needed to make containers without the machine's subordinate ids"
    lacking = [
        one for one in ("podman", "buildah", "crun", "debootstrap", "unshare", "ip") if shutil.which(one) is None
    ]
    return f"this machine has no {', '.join(lacking)}" if lacking else None


@dataclass(frozen=True)
class Private:
    """Podman and buildah whose images, containers and networks are in one folder."""

    folder: Path

    def prepare(self) -> None:
        """Write what they read, and fetch their network helpers where the machine has none.

        Raises:
            Unreachable: These can be had nowhere.
        """
        helpers = [self._helper(name) for name in _HELPERS]
        for part in ("graph", "run", "tmp", "networks"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/graph"\nrunroot = "{self.folder}/run"\n'
        )
        (self.folder / "registries.conf").write_text("unqualified-search-registries = []\n")
        (self.folder / "containers.conf").write_text(f"""\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
log_driver = "k8s-file"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{self.folder}/tmp"
helper_binaries_dir = [{", ".join(f'"{path}"' for path in dict.fromkeys(helpers))}]
[network]
network_backend = "netavark"
network_config_dir = "{self.folder}/networks"
""")

    @property
    def environment(self) -> Mapping[str, str]:
        names = {"STORAGE_CONF": "storage.conf", "CONF": "containers.conf", "REGISTRIES_CONF": "registries.conf"}
        told = {f"CONTAINERS_{name}": str(self.folder / file) for name, file in names.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SUITE_")}
        return inherited | told

    def run(self, command: Sequence[str], *, apart: bool = False, timeout_s: float = 300) -> str:
        """What a command prints; `apart` from the machine's networks, mounts and processes.

        Raises:
            AssertionError: It failed; with its last words.
        """
        words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation=private"]
        began = [*words, "sh", "-c", _BEGIN, "sh", *command] if apart else list(command)
        done = subprocess.run(
            began, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{' '.join(command[:4])}: {(done.stderr + done.stdout)[-6000:]}"
        return done.stdout

    @staticmethod
    def _helper(name: str) -> Path:
        for folder in (Path("/usr/lib/podman"), Path("/usr/libexec/podman")):
            if (folder / name).exists():
                return folder
        place = Path("usr/lib/podman") / name
        unpack(name, str(place), _TOOLS, (_TOOLS / name / place).exists)
        return (_TOOLS / name / place).parent
