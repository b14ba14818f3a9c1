"""What came back: so much and no more, JSON and nothing else, and of the shape we know."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import httpx
import orjson
import structlog
from pydantic import BaseModel, ValidationError

from shared.state.http import BadAnswer

ModelT = TypeVar("ModelT", bound=BaseModel)

log = structlog.get_logger("outbound")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer.

    Attributes:
        body: The JSON of it; None if it was empty, or is none and the answer is a refusal anyway.
    """

    status: int
    body: object


async def read(answer: httpx.Response, limit: int) -> Answered:
    """The answer, once all of it is there.

    Raises:
        BadAnswer: It is too long, or a success that is not JSON.
    """
    content = await _bounded(answer.aiter_raw(), limit)
    try:
        return Answered(answer.status_code, _json(answer, content))
    except BadAnswer:
        if answer.is_success:
            raise
        return Answered(answer.status_code, None)  # proxies refuse in HTML; the status says enough


async def _bounded(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise BadAnswer(f"more than {limit} bytes")
    return bytes(body)


def _json(answer: httpx.Response, content: bytes) -> object:
    if not content:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadAnswer("not JSON by its content type")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadAnswer("not JSON") from None


def fitted(name: str, body: object, model: type[ModelT]) -> ModelT:
    """The body as the model; whoever sees a log learns which fields do not fit, not what was in them.

    Raises:
        BadAnswer: It does not fit.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        fields = sorted({".".join(map(str, found["loc"])) for found in error.errors(include_input=False)})
        log.error("an answer does not fit", upstream=name, model=model.__name__, fields=fields[:10])
        raise BadAnswer("another shape") from None
