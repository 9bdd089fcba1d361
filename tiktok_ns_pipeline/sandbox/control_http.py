"""How the control API speaks: wishes in, JSON out, refusals as 4xx with `{"error": "..."}`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tiktok_ns_pipeline.sandbox.books.errors import BookError


class Wish(BaseModel):
    """The body of a request; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid")


Handler = Callable[[Request], Awaitable[Response]]
Row = tuple[str, str, Handler]
"""Method, path and who answers; the handler's docstring is the API's own description."""

_Model = TypeVar("_Model", bound=Wish)


async def read(request: Request, model: type[_Model]) -> _Model:
    """The request's wish; an empty body wishes nothing in particular."""
    return model.model_validate_json(await request.body() or b"{}")


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(value, default=_text), status, media_type="application/json")


def title(handler: Handler) -> str:
    """What a handler does, in its own words."""
    return (handler.__doc__ or "").strip()


def answering(handler: Handler) -> Handler:
    """The handler, with its refusals told as errors."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
            return answer({"error": "; ".join(wrong)}, 400)
        except (KeyError, LookupError) as error:
            return answer({"error": str(error.args[0])}, 404)
        except BookError as error:
            return answer({"error": error.detail}, error.status)
        except ValueError as error:
            return answer({"error": str(error)}, 400)

    return answered


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
