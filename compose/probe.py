"""`python -m compose.probe URL`: exit code 0 if the URL answers 200; for health checks in images without curl.

A path alone is one of this container's: at SUITE_HEALTH_PORT, or without it at SUITE_PORT.
"""

import os
import sys
from http import HTTPStatus
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_PATIENCE_S = 4


def main(url: str) -> int:
    if url.startswith("/"):
        port = os.environ.get("SUITE_HEALTH_PORT") or os.environ.get("SUITE_PORT") or "8080"
        url = f"http://127.0.0.1:{port}{url}"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_PATIENCE_S) as answer:
            return 0 if answer.status == HTTPStatus.OK else 1
    except (URLError, OSError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
