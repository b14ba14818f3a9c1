"""`python -m compose.local_base`: stand-ins, made of Debian's packages, for the images that come from a registry.

For machines that reach a Debian mirror and no registry. As root, with debootstrap and buildah; they are put into the
storage that podman and buildah use here (CONTAINERS_STORAGE_CONF names another) under the names compose.yaml and the
Dockerfile give them, so that these need no change. They are for trying things out: the real ones are smaller, and
others look after them.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from shared.core.errors import Misconfigured

SUITE = "trixie"
PYTHON = "docker.io/library/python:3.13-slim-trixie"
_PACKAGES = "ca-certificates,python3,python3-venv,python3-pip-whl"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_INSTALL = "apt-get update -q && apt-get install -q -y --no-install-recommends"
_RECIPES = {
    "docker.io/library/haproxy:3.0-alpine": f"RUN {_INSTALL} haproxy busybox && ln -s busybox /usr/bin/wget",
    "docker.io/valkey/valkey:8-alpine": f"RUN {_INSTALL} valkey-server valkey-tools",
    "docker.io/library/postgres:17-trixie": f"""\
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres \\
    && {_INSTALL} postgresql-17 && rm -rf /var/lib/postgresql/* /var/run/postgresql \\
    && mkdir -p /var/run/postgresql && install -d -m 0700 -o 999 -g 999 /var/lib/postgresql/data
COPY --chmod=0755 docker-entrypoint.sh /usr/local/bin/
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
""",
}
_ENTRYPOINT = """\
#!/bin/sh
# As much of the official image's as a first start needs.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --pgdata="$PGDATA" --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=scram-sha-256 \\
        --locale=C.UTF-8 --encoding=UTF8 $POSTGRES_INITDB_ARGS
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
exec "$@"
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def make(
    rootfs: Annotated[Path | None, typer.Option(help="Where Debian is put, or was before; default: a new one.")] = None,
) -> None:
    """Make what is not there yet."""
    for program in ("debootstrap", "buildah"):
        if shutil.which(program) is None:
            raise Misconfigured(
                f"{program} is needed: apt-get install --no-install-recommends debootstrap buildah crun"
            )
    if not _exists(PYTHON):
        with tempfile.TemporaryDirectory(prefix="debian-") as temporary:
            folder = rootfs or Path(temporary) / "root"
            if not (folder / "usr/local/bin/python").exists():
                _debian(folder)
            _import(folder)
    for name, recipe in _RECIPES.items():
        if not _exists(name):
            _build(name, recipe)


def _debian(folder: Path) -> None:
    _run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE, str(folder)])
    shutil.copy(_AUTHORITIES, folder / "etc/ssl/certs/")  # enterprise networks have authorities of their own
    _run(["chroot", str(folder), "python3", "-m", "venv", "/usr/local"])


def _import(folder: Path) -> None:
    """The folder as an image of one layer, with `python` and `pip` where the official one has them."""
    container = _told(["buildah", "from", "scratch"])
    _run(["buildah", "copy", "--quiet", container, str(folder), "/"])
    for setting in (
        "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"SSL_CERT_FILE={_AUTHORITIES}",
    ):
        _run(["buildah", "config", "--env", setting, container])
    _run(["buildah", "commit", "--quiet", "--format=docker", "--rm", container, PYTHON])


def _build(name: str, recipe: str) -> None:
    with tempfile.TemporaryDirectory(prefix="recipe-") as folder:
        (Path(folder) / "Dockerfile").write_text(f"FROM {PYTHON}\n{recipe}\n")
        (Path(folder) / "docker-entrypoint.sh").write_text(_ENTRYPOINT)
        _run(["buildah", "bud", "--isolation=chroot", "--network=host", "--format=docker", "--tag", name, folder])


def _exists(name: str) -> bool:
    asked = ["buildah", "inspect", "--type=image", name]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed words


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    if done.returncode:
        raise Misconfigured(f"`{' '.join(command[:2])}` failed: {(done.stderr or done.stdout)[-2000:]}")


def _told(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - fixed words


if __name__ == "__main__":
    sys.exit(app())
