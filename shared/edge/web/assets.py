"""Static files: read once, named by their contents so that browsers may keep them for ever."""

from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from shared.core.errors import Misconfigured
from shared.edge.web.places import Places

_HASH = 16
_FOR_EVER = "public, max-age=31536000, immutable"
_LOOK_AGAIN = "public, no-cache"
_TEXT = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Assets:
    """The files of one folder, as they were when the process started."""

    def __init__(self, folder: Path, places: Places) -> None:
        self._places = places
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        self._files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self._hashes = {name: sha256(content).hexdigest()[:_HASH] for name, content in self._files.items()}

    def url(self, name: str) -> str:
        """The address of a file, which is another one when its contents are.

        Raises:
            Misconfigured: There is no such file.
        """
        if name not in self._files:
            raise Misconfigured(f"there is no static file {name!r}")
        return self._places.url(f"/static/{self._hashes[name]}/{name}")

    async def answer(self, request: Request) -> Response:
        """The file, under its hash or under its plain name."""
        asked: str = request.path_params["name"]
        first, _, rest = asked.partition("/")
        hashed = rest in self._files and first == self._hashes[rest]
        name = rest if hashed else asked
        content = self._files.get(name)
        if content is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        tag = f'"{self._hashes[name]}"'
        headers = {"ETag": tag, "Cache-Control": _FOR_EVER if hashed else _LOOK_AGAIN}
        if tag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
            return Response(status_code=304, headers=headers)
        suffix = Path(name).suffix
        return Response(content, headers=headers, media_type=_TEXT.get(suffix) or guess_type(name)[0])
