"""`python -m tests.e2e.ship.inside SECRETS PORT`: compose.yaml with podman, a journey, and what was seen, as JSON.

Runs in namespaces of its own (`namespace.py`): the networks and processes it makes are nobody else's, and go too.
"""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx

from tests.clients import journey
from tests.clients.sign_in import SignIn
from tests.e2e.ship.podman import Stack, podman

COMPOSE = Path(__file__).parents[3] / "compose" / "compose.yaml"
PATIENCE_S = 150.0
SERVERS = ("customers", "documents", "tickets", "mail", "console")
LOOK = """
import json, os
told = dict(line.split(":\\t") for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
refused = []
for place in ("/", "/app", "/etc", "/usr/bin"):
    try:
        open(f"{place}/written", "w")
    except OSError as error:
        refused.append(error.errno)
print(json.dumps({"uid": told["Uid"].split(), "gid": told["Gid"].split(), "refused": refused,
    "capabilities": [told[name].strip() for name in ("CapPrm", "CapEff", "CapBnd")],
    "privileges": told["NoNewPrivs"].strip(), "programs": sorted(os.listdir("/usr/bin")), "pip": os.path.exists(
    "/usr/local/bin/pip"), "environment": sorted(os.environ)}))
"""


def main(secrets: Path, port: str) -> dict[str, Any]:
    stack = Stack(COMPOSE, "core", {"SECRETS": str(secrets), "PUBLIC_PORT": port})
    os.environ["SSL_CERT_FILE"] = str(secrets / "authority.pem")
    origin, seen = f"https://localhost:{port}", dict[str, Any]()
    down()  # of a run before, in a storage that is kept
    stack.create()
    for name in (*SERVERS, "identity", "relay", "configuration", "balancer", "redis", "postgres", "database"):
        stack.start(name)  # the servers before all that they need
    began = time.monotonic()
    with httpx.Client(base_url=origin, timeout=5) as http:
        for path in (*(f"/.well-known/oauth-protected-resource/{name}/mcp" for name in SERVERS[:-1]), "/console/"):
            until(lambda path=path: http.get(path).status_code in {200, 302, 303}, path)
        seen["ready_s"] = round(time.monotonic() - began, 1)
        seen["waited"] = "not there yet" in podman("logs", "customers_1") + logs("customers_1")
        for name in stack.staying:  # the balancer answers as soon as one replica of each does
            until(lambda name=name: healthy(name), name)
        seen["healthy"] = {name: healthy(name) for name in stack.staying}
        seen["inside"] = {name: look(f"{name}_1") for name in (*SERVERS, "identity", "relay")}
        seen["doors"] = doors(secrets)
        seen["journey"] = anyio.run(travel, origin)
        seen["console"] = http.get("/console/", follow_redirects=True).text
        until(lambda: http.get("/mail-sink/mails.json").json()["mails"], "the mail")
        seen["mails"] = [mail["headers"] for mail in http.get("/mail-sink/mails.json").json()["mails"]]
        seen["published"] = podman("ps", "--format", "{{.Ports}}").split()
    seen["left"] = down()
    return seen


async def travel(origin: str) -> dict[str, Any]:
    """Sign in, list, read and write; lose a replica; send a mail."""
    name = f"Container-{uuid4().hex[:8]}"
    async with SignIn("manager", f"{origin}/customers/mcp").connect("auto") as client:
        walked = await journey.walk(client, name, "an")
        podman("kill", "customers_1")
        after: list[str] = []
        for _ in range(6):
            answer = await journey.ask(client, "get_customer", {"customer_id": walked["created"]["customer"]["id"]})
            after.append(answer["name"] if "name" in answer else answer["customer"]["name"])
    async with SignIn("manager", f"{origin}/mail/mcp").connect("auto") as client:
        mail = {"sender": "colleagues", "to": ["ada@acme.example"], "subject": name, "text": "It works."}
        sent = await journey.ask(client, "send_email", {**mail, "inside": True, "idempotency_key": name})
    return {"name": name, "walked": walked, "after": after, "sent": sent}


def until(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            told = "\n".join(
                f"== {one}\n{logs(one)[-1500:]}" for one in ("customers_1", "mail_1", "console_1", "balancer_1")
            )
            raise AssertionError(f"{what} did not come in {PATIENCE_S} s\n{told}")
        time.sleep(0.5)


def logs(container: str) -> str:
    asked = ["podman", "logs", "--tail=40", container]
    return subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def healthy(container: str) -> bool:
    return subprocess.run(["podman", "healthcheck", "run", container], capture_output=True, check=False).returncode == 0


def look(container: str) -> dict[str, Any]:
    return json.loads(podman("exec", container, "python", "-c", LOOK))


def doors(secrets: Path) -> dict[str, str]:
    """What those are told who are not let in."""
    address = podman("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "customers_2")
    trust = ssl.create_default_context(cafile=secrets / "authority.pem")
    try:
        with trust.wrap_socket(socket.create_connection((address, 8080), 5), server_hostname="customers") as line:
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: customers\r\n\r\n")
            stranger = line.recv(100).decode(errors="replace") or "closed"
    except OSError as error:
        stranger = type(error).__name__
    plain = [
        "exec",
        "postgres_1",
        "psql",
        "host=127.0.0.1 user=suite_app dbname=suite sslmode=disable",
        "-c",
        "SELECT 1",
    ]
    default = ["exec", "redis_1", "valkey-cli", "--tls", "--cacert", "/run/secrets/authority.pem", "ping"]
    return {"stranger": stranger, "plain": said(plain), "default": said(default)}


def said(words: list[str]) -> str:
    done = subprocess.run(["podman", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip()


def down() -> list[str]:
    """What is left after everything was taken down."""
    for _ in range(5):  # of a machine with much to do podman says that processes did not die in time
        podman("rm", "--force", "--all", "--time=3", check=False, timeout_s=120)
    podman("volume", "prune", "--force")
    podman("network", "prune", "--force")
    lists = (("ps", "--all", "--quiet"), ("volume", "ls", "--quiet"), ("network", "ls", "--quiet"))
    return [line for words in lists for line in podman(*words).splitlines() if line != "podman"]


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]), sys.argv[2])) + "\n")
