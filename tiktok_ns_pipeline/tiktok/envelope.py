"""One request out, one envelope back.

Every JSON answer of TikTok is `code`, `message`, `request_id`, `data` (T 1.6). `ask` sends a built
request, bounds the wait, and returns the envelope of a success or raises the typed error. It never
lets an httpx error through, since such an error knows the URL and the URL may hold a secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.tiktok.endpoints import Effect
from tiktok_ns_pipeline.tiktok.errors import (
    PartialFailure,
    TikTokAmbiguous,
    TikTokError,
    TikTokTransient,
    TikTokUnknownError,
    error_class,
    rule_for,
)
from tiktok_ns_pipeline.tiktok.secrecy import quotable

# No connection was made, so no byte of the request left this machine.
_NOTHING_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, for error texts: never holds more than may be shown."""

    endpoint: str
    effect: Effect
    shop: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Cut out of whatever the server says."""

    def failed(self, kind: type[TikTokError], message: str, **facts: Any) -> TikTokError:
        """An error of this call."""
        return kind(quotable(message, self.secrets), endpoint=self.endpoint, shop=self.shop, **facts)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A successful answer. `data` keeps every number exact; failures in part are in `failures`."""

    endpoint: str
    data: dict[str, Any]
    request_id: str
    answered_at: datetime | None
    """The server's `Date`, when it sent one."""

    @property
    def failures(self) -> list[PartialFailure]:
        """`data.errors[]` under code 0 (T 1.6)."""
        entries = self.data.get("errors")
        return [PartialFailure.parse(entry) for entry in cast(list[object], entries or [])]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A list of objects in `data`; absent and null mean none. Raises TikTokUnknownError."""
        rows: object = self.data.get(name) or []
        if isinstance(rows, list) and all(isinstance(row, dict) for row in cast(list[object], rows)):
            return cast(list[dict[str, Any]], rows)
        raise TikTokUnknownError(
            f"data.{name} is no list of objects", endpoint=self.endpoint, code=0, request_id=self.request_id
        )


async def ask(
    http: httpx.AsyncClient, request: httpx.Request, question: Question, timeout_s: float
) -> Envelope:
    """Send one request and read its envelope; raises a TikTokError for everything but code 0."""
    outcome = await _sent(http, request, question, timeout_s)
    if isinstance(outcome, TikTokError):
        # Raised here and not where it was caught, so that no httpx error hangs on it as its context.
        raise outcome
    return _read(outcome, question)


async def _sent(
    http: httpx.AsyncClient, request: httpx.Request, question: Question, timeout_s: float
) -> httpx.Response | TikTokError:
    """The answer, or why there is none. The wait is bounded here too, since not every transport does."""
    unclear = TikTokAmbiguous if question.effect == "write" else TikTokTransient
    try:
        async with asyncio.timeout(timeout_s):
            return await http.send(request, follow_redirects=False)
    except _NOTHING_LEFT as refused:
        return question.failed(TikTokTransient, f"no connection ({type(refused).__name__}); nothing was sent")
    except (TimeoutError, httpx.TimeoutException):
        return question.failed(unclear, f"no answer within {timeout_s:g} s")
    except httpx.HTTPError as broken:
        return question.failed(unclear, f"the connection broke ({type(broken).__name__})")


def _read(response: httpx.Response, question: Question) -> Envelope:
    body = _json_object(response.content)
    code = _integer(body.get("code"))
    if code == 0:
        request_id = _text(body.get("request_id")) or ""
        return Envelope(question.endpoint, _data(body, question), request_id, _date(response))
    if code is None and response.is_success:
        # The server was reached and may have acted; what it said got lost.
        raise question.failed(
            error_class(rule_for(None, 500), question.effect),
            "the answer is no envelope of TikTok Shop",
            http_status=response.status_code,
        )
    rule = rule_for(code, response.status_code)
    kind = error_class(rule, question.effect)
    raise question.failed(
        kind,
        _text(body.get("message")) or "no text was given",
        code=code,
        request_id=_text(body.get("request_id")),
        http_status=response.status_code,
        # A rule that says «try again» does not hold for a write that may have happened.
        advice=rule.advice if kind is rule.error else "",
        retry_after_s=_retry_after_s(response),
    )


def _json_object(content: bytes) -> dict[str, Any]:
    """The body as an object; empty when it is HTML, cut off, or JSON of another kind."""
    try:
        value: object = exact_json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _data(body: Mapping[str, Any], question: Question) -> dict[str, Any]:
    data: object = body.get("data")
    errors = cast(dict[str, object], data).get("errors") if isinstance(data, dict) else None
    if not isinstance(data, (dict, type(None))) or not isinstance(errors, (list, type(None))):
        raise question.failed(
            TikTokUnknownError,
            "code 0, but `data` or `data.errors` is not of the documented kind",
            code=0,
            request_id=_text(body.get("request_id")),
        )
    return cast(dict[str, Any], data or {})


def _integer(value: object) -> int | None:
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _date(response: httpx.Response) -> datetime | None:
    try:
        instant = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)


def _retry_after_s(response: httpx.Response) -> float | None:
    """Undocumented, honoured when present (T 2.4); the form in seconds only."""
    text = response.headers.get("retry-after", "").strip()
    return float(text) if text.isdecimal() and len(text) < 6 else None
