"""How requests to the simulated NetSuite are read and its answers are written (N 2.1, 2.4, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.sandbox.books.errors import BookError, invalid_parameter, invalid_request
from tiktok_ns_pipeline.sandbox.books.rendering import Json
from tiktok_ns_pipeline.sandbox.faults import DropConnection
from tiktok_ns_pipeline.sandbox.transport import Receive, Scope

RECORD_PATH = "/services/rest/record/v1"
MOST_PER_PAGE = 1_000
"""Rows on one page of a list or a query."""

_TITLES = {
    400: ("Bad Request", "15.5.1"),
    401: ("Unauthorized", "15.5.2"),
    403: ("Forbidden", "15.5.4"),
    404: ("Not Found", "15.5.5"),
    405: ("Method Not Allowed", "15.5.6"),
    415: ("Unsupported Media Type", "15.5.16"),
    500: ("Internal Server Error", "15.6.1"),
    503: ("Service Unavailable", "15.6.4"),
}

_RESOURCE = "application/vnd.oracle.resource+json"
_JSON_TYPES = {"application/json", _RESOURCE, "text/json", ""}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: the path undecoded, the base address as the caller wrote it."""

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    @property
    def segments(self) -> list[str]:
        """Decoded parts of the path below the record service."""
        rest = self.raw_path[len(RECORD_PATH) :]
        return [unquote(part) for part in rest.split("/") if part]

    @property
    def params(self) -> dict[str, str]:
        """The query string's parameters; of one named twice, the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def echoed_query(self) -> str:
        """The query string as a self link repeats it."""
        return f"?{self.query}" if self.query else ""

    def flag(self, name: str) -> bool:
        """Whether a parameter says `true`."""
        return self.params.get(name, "").lower() == "true"

    def json(self) -> Any:
        """The body as JSON; no Content-Type is fine (N 2.1). Raises BookError."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _JSON_TYPES:
            raise BookError(415, "INVALID_REQUEST", f"Content-Type {kind} is not supported.")
        try:
            return exact_json.loads(self.body or b"{}")
        except ValueError:
            raise invalid_request("Invalid content in the request body: it is not valid JSON.") from None


@dataclass(slots=True)
class Answer:
    """An answer without the headers that all have in common."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])


async def read_request(scope: Scope, receive: Receive) -> Request:
    """The whole request. Raises DropConnection when the caller left."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DropConnection("the caller left")
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return Request(
        method=scope["method"],
        raw_path=raw_path.decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=b"".join(parts),
        base_url=f"{scope['scheme']}://{headers.get('host', 'localhost')}",
    )


def page_of(params: Mapping[str, str]) -> tuple[int, int]:
    """Limit and offset. Raises BookError when they are none (N 2.4)."""
    numbers: dict[str, int] = {}
    for name, default in (("limit", str(MOST_PER_PAGE)), ("offset", "0")):
        text = params.get(name, default)
        if not text.isdecimal():
            raise invalid_parameter(f"The value of {name} must be a whole number.", name)
        numbers[name] = int(text)
    if not 1 <= numbers["limit"] <= MOST_PER_PAGE:
        raise invalid_parameter(f"The limit must lie between 1 and {MOST_PER_PAGE}.", "limit")
    if numbers["offset"] % numbers["limit"]:
        raise invalid_parameter("The offset must be a multiple of the limit.", "offset")
    return numbers["limit"], numbers["offset"]


def wrapped(request: Request, path: str, items: list[Json], total: int, limit: int, offset: int) -> Json:
    """One page of a collection. Page links carry limit and offset only (N 2.4)."""

    def page_link(name: str, start: int) -> Json:
        return {"rel": name, "href": f"{request.base_url}{path}?limit={limit}&offset={start}"}

    links: list[Json] = []
    if offset:
        links += [page_link("previous", offset - limit), page_link("first", 0)]
    has_more = offset + len(items) < total
    if has_more:
        # The last link is wrong in the product as well: the number of the last page, cut to a
        # multiple of the limit, stands where its offset belongs.
        last_page = -(-total // limit) - 1
        links += [page_link("next", offset + limit), page_link("last", last_page // limit * limit)]
    own = f"{request.base_url}{request.raw_path}{request.echoed_query}"
    links.append({"rel": "self", "href": own, "method": request.method})
    return {
        "links": links,
        "count": len(items),
        "hasMore": has_more,
        "items": items,
        "offset": offset,
        "totalResults": total,
    }


def json_bytes(value: Any) -> bytes:
    """JSON as it is sent; amounts keep their digits."""
    return exact_json.dumps(value).encode()


def json_answer(value: Any, kind: str) -> Answer:
    """A resource; `kind` is `singular` or `collection`."""
    return Answer(200, json_bytes(value), f"{_RESOURCE}; type={kind}; charset=UTF-8")


def error_answer(error: BookError) -> Answer:
    """A refusal as the service words it (N 4.1)."""
    title, section = _TITLES.get(error.status, ("Error", ""))
    kind = f"https://www.rfc-editor.org/rfc/rfc9110.html#section-{section}"
    if error.status == 429:
        title, kind = "Too Many Requests", "http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.4"
    details: Json = {"detail": error.detail}
    for name, value in (
        ("o:errorPath", error.path),
        ("o:errorUrl", error.url),
        ("o:errorQueryParam", error.param),
    ):
        if value is not None:
            details[name] = value
    details["o:errorCode"] = error.code
    body = {"type": kind, "title": title, "status": error.status, "o:errorDetails": [details]}
    return Answer(error.status, json_bytes(body), f"{_RESOURCE}; type=error; charset=UTF-8")
