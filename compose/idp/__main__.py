"""`python -m compose.idp`: the provider in a container of its own, set by the environment; events go to stderr.

IDP_ISSUER         the issuer, as browsers and servers reach it
IDP_RESOURCES      JSON object: resource identifier → list of scopes
IDP_SERVERS        JSON list of servers that exchange tokens: `[id, resource identifier, secret]`; a secret of null is
                   in IDP_SECRET_<ID>, or the file of that name in lower case in /run/secrets
IDP_ALLOWED_HOSTS  more Host names to answer to, separated by blanks
IDP_CLIENTS        JSON list of web applications that need not register: `[id, name, redirect URI, secret or null]`
IDP_KEYS_DIR       where keys and machine secrets are kept; in memory without it
IDP_ALGORITHM      what it signs with, IDP_ACCESS_TOKENS `jwt` or `opaque`, IDP_SHAPE whose claims tokens have
IDP_ENVIRONMENT    `dev` also reads client metadata documents over http from this computer
IDP_HOST, IDP_PORT where to listen; 127.0.0.1 and 9000 without them
"""

import os
import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from compose.idp.clients import Client, server_client, web_client
from compose.idp.provider import IdentityProvider, idp_app
from compose.told import told
from shared.core.errors import Misconfigured


def main() -> None:
    setting = os.environ.get
    issuer, resources, keys_dir = setting("IDP_ISSUER"), setting("IDP_RESOURCES"), setting("IDP_KEYS_DIR")
    if not issuer or not resources:
        raise Misconfigured("set IDP_ISSUER and IDP_RESOURCES")
    provider = IdentityProvider(
        issuer,
        resources=orjson.loads(resources),
        keys_dir=Path(keys_dir) if keys_dir else None,
        clients=[
            *(web_client(*each) for each in orjson.loads(setting("IDP_CLIENTS", "[]"))),
            *(_server(*each) for each in orjson.loads(setting("IDP_SERVERS", "[]"))),
        ],
        algorithm=setting("IDP_ALGORITHM", "ES256"),
        access_tokens="opaque" if setting("IDP_ACCESS_TOKENS") == "opaque" else "jwt",
        shape=setting("IDP_SHAPE", "suite"),
        loopback_documents=setting("IDP_ENVIRONMENT") == "dev",
        on_event=_print,
    )
    app = idp_app(provider, setting("IDP_ALLOWED_HOSTS", "").split())
    # Without an access log: its lines hold the queries of authorization requests.
    uvicorn.run(app, host=setting("IDP_HOST", "127.0.0.1"), port=int(setting("IDP_PORT", "9000")), access_log=False)


def _server(name: str, resource: str, secret: str | None) -> Client:
    return server_client(name, resource, secret or told(f"IDP_SECRET_{name.upper()}"))


def _print(event: dict[str, Any]) -> None:
    sys.stderr.write(orjson.dumps(event).decode() + "\n")


if __name__ == "__main__":
    main()
