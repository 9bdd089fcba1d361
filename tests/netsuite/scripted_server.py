"""A NetSuite of a few lines: it answers what the test wrote down and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.netsuite import NetSuiteClient, TokenBasedAuthentication

DATA = Path(__file__).parent.parent / "data" / "netsuite"
BASE_URL = "https://1234567-sb1.suitetalk.api.netsuite.com"
OPERATION = "3459c6f5-b657-4a25-ad0d-34cb38b4313e"


def sample(name: str) -> Any:
    return exact_json.loads((DATA / name).read_bytes())


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return exact_json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0

    @property
    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else exact_json.dumps(self.body).encode()


def created(record_type: str, internal_id: str) -> Answer:
    return Answer(
        204, headers={"Location": f"{BASE_URL}/services/rest/record/v1/{record_type}/{internal_id}"}
    )


def problem(status: int, code: str, detail: str, **more: str) -> Answer:
    details = {"detail": detail, "o:errorCode": code, **more}
    return Answer(status, {"title": "Bad", "status": status, "o:errorDetails": [details]})


Script = list[Answer] | Callable[[Request], Answer]


class ScriptedServer:
    """An ASGI app. The last written answer is given again when the script has run out."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[Request] = []

    def _answer(self, request: Request) -> Answer:
        if callable(self._script):
            return self._script(request)
        return self._script[min(len(self.requests), len(self._script)) - 1]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = Request(
            scope["method"],
            scope["raw_path"].decode().partition("?")[0],
            parse_qs(scope["query_string"].decode(), keep_blank_values=True),
            {name.decode().lower(): value.decode() for name, value in scope["headers"]},
            body,
        )
        self.requests.append(request)
        answer = self._answer(request)
        await asyncio.sleep(answer.after_s)
        headers = {"x-n-operationid": OPERATION, **answer.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.content})


class StoppedClock:
    """Tells the instant that the test has set."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def pass_(self, duration: timedelta) -> None:
        self._now += duration


def tba(clock: StoppedClock | None = None) -> TokenBasedAuthentication:
    return TokenBasedAuthentication("1234567_SB1", "ck", "cs", "tk", "ts", clock=clock or StoppedClock())


def client_of(server: ScriptedServer, **options: Any) -> NetSuiteClient:
    """A client of the scripted server that does not wait between repeated reads."""
    clock = options.pop("clock", None) or StoppedClock()
    authenticator = options.pop("authenticator", None) or tba(clock)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(server))
    return NetSuiteClient(BASE_URL, authenticator, http, clock, **{"retry_wait_s": 0.0, **options})
