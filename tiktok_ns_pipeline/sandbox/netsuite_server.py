"""The simulated NetSuite as an HTTP service: SuiteTalk REST over the books.

Serves the token endpoint, the record service, SuiteQL, the metadata catalogue and the governance
limits, under the paths, headers and error bodies of the product (N 1, 2, 3, 4). Links name the scheme
and host that the caller used.

A request passes in this order: is there a free slot, does a fault strike, may the caller in, what does
it ask for. Saves take their time before they commit, so a caller who gives up early learns nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.sandbox import netsuite_metadata
from tiktok_ns_pipeline.sandbox.books.book import Books, Saved
from tiktok_ns_pipeline.sandbox.books.catalogue import Kind, RecordType, Schema, catalogue
from tiktok_ns_pipeline.sandbox.books.errors import (
    BookError,
    invalid_parameter,
    invalid_request,
    nonexistent_instance,
)
from tiktok_ns_pipeline.sandbox.books.reading import NameCheck
from tiktok_ns_pipeline.sandbox.books.rendering import Json, Renderer
from tiktok_ns_pipeline.sandbox.books.store import Record
from tiktok_ns_pipeline.sandbox.faults import (
    DropConnection,
    Fault,
    FaultKind,
    FaultPlan,
    RefuseConnection,
    is_write,
)
from tiktok_ns_pipeline.sandbox.netsuite_auth import LoginRefused, TokenRefused
from tiktok_ns_pipeline.sandbox.suiteql import MOST_ROWS, SuiteQLError
from tiktok_ns_pipeline.sandbox.transport import AsgiApp, Receive, Scope, Send

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path
SUITEQL_PATH = "/services/rest/query/v1/suiteql"
RECORD_PATH = "/services/rest/record/v1"
LIMITS_PATH = "/services/rest/system/v1/governanceLimits"

MOST_PER_PAGE = 1_000
_MOST_PAGES = 1_000
# A read takes this share of a save's time (N 4.4).
_READ_SHARE = 0.15
# Answers at least this long are compressed for callers who accept it.
_COMPRESSED_FROM = 4_096
# Share of refusals over the concurrency limit that come as 400 instead of 429 (N 4.2).
_SHARE_AS_400 = 0.2

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
_LOGIN_DETAIL = (
    "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at"
    " Setup > Users/Roles > User Management > View Login Audit Trail."
)
_BUSY = "Concurrent request limit exceeded. Request blocked."
_BUSY_400 = (
    " Verify your concurrency limits at Setup > Integration > Integration Management >"
    " Integration Governance."
)
_HTML = b"<!DOCTYPE html><html><head><title>NetSuite</title></head><body>Please try again.</body></html>"
_HTML_TYPE = "text/html; charset=utf-8"
_FIXED_HEADERS = (
    (b"cache-control", b"No-Cache"),
    (b"expires", b"0"),
    (b"pragma", b"No-Cache"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"vary", b"User-Agent, Accept-Encoding"),
    (b"x-content-type-options", b"nosniff"),
)
_RESOURCE = "application/vnd.oracle.resource+json"
_JSON_TYPES = {"application/json", _RESOURCE, "text/json", ""}


@dataclass(frozen=True, slots=True)
class _Request:
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
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def echoed_query(self) -> str:
        """The query string as a self link repeats it."""
        return f"?{self.query}" if self.query else ""

    def flag(self, name: str) -> bool:
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
class _Answer:
    status: int
    body: bytes = b""
    content_type: str = ""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])


def netsuite_app(books: Books, faults: FaultPlan, clock: Clock) -> AsgiApp:
    """The service as an ASGI app."""
    return NetSuiteServer(books, faults, clock)


class NetSuiteServer:
    """Answers requests over one account's books, within its number of slots."""

    def __init__(self, books: Books, faults: FaultPlan, clock: Clock) -> None:
        self._books = books
        self._faults = faults
        self._clock = clock
        self._random = random.Random(f"netsuite server {books.seed_number}")
        self._under_way = 0
        self.busiest = 0
        """Most requests that were ever under way at once."""
        self.blocked = 0
        """Requests turned away because no slot was free."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises DropConnection when the connection is to end without one."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        request = await _read(scope, receive)
        answer = await self._answered(request)
        await self._send(request, answer, send)

    async def _answered(self, request: _Request) -> _Answer:
        path = unquote(request.raw_path)
        if request.raw_path == TOKEN_PATH:
            fault = self._faults.decide_injected("netsuite", request.method, path)
            return await self._with_fault(request, fault)
        if request.method == "OPTIONS":
            return _Answer(204)
        if self._under_way >= self._books.slots:
            self.blocked += 1
            return self._busy(self._random.random() < _SHARE_AS_400)
        self._under_way += 1
        self.busiest = max(self.busiest, self._under_way)
        try:
            fault = self._faults.decide("netsuite", request.method, path)
            return await self._with_fault(request, fault)
        finally:
            self._under_way -= 1

    async def _with_fault(self, request: _Request, fault: Fault | None) -> _Answer:
        kind = fault.kind if fault else None
        instead = self._instead(request, kind) or self._turned_away(request)
        if instead is not None:
            return instead
        if fault and kind in {FaultKind.delay, FaultKind.timeout_before_commit}:
            # A save can outlive its caller's patience and still commit.
            await asyncio.sleep(fault.seconds)
        share = 1.0 if is_write(request.method, request.raw_path) else _READ_SHARE
        if self._books.save_seconds:
            await asyncio.sleep(self._books.save_seconds * share)
        answer = self._answer(request, fault)
        if fault and kind is FaultKind.timeout_after_commit:
            await asyncio.sleep(fault.seconds)
        if kind is FaultKind.cut_after_commit:
            raise DropConnection("cut after the commit")
        if kind is FaultKind.http_500_after:
            return self._unexpected()
        return self._html() if kind is FaultKind.html_body else answer

    def _instead(self, request: _Request, kind: FaultKind | None) -> _Answer | None:
        """What a fault answers instead of doing anything."""
        answer = None
        match kind:
            case FaultKind.refuse:
                raise RefuseConnection("refused")
            case FaultKind.cut_before_commit:
                raise DropConnection("cut before the commit")
            case FaultKind.http_429 | FaultKind.concurrency_400:
                answer = self._busy(kind is FaultKind.concurrency_400)
            case FaultKind.http_500_before:
                answer = self._unexpected()
            case FaultKind.http_503:
                answer = _Answer(503, _HTML, _HTML_TYPE)
            case FaultKind.html_body if self._random.random() < 0.5:
                # A gateway's page says nothing about what happened behind it: here, nothing.
                answer = self._html()
            case FaultKind.unauthorized:
                self._books.auth.revoke(request.headers.get("authorization"))
                answer = self._not_let_in(LoginRefused(401, self._books.auth.bearer_challenge()))
            case FaultKind.record_changed:
                answer = _error_answer(BookError(400, "RCRD_HAS_BEEN_CHANGED", "Record has been changed"))
            case _:
                pass
        return answer

    def _turned_away(self, request: _Request) -> _Answer | None:
        """The refusal of a caller who may not in."""
        if request.raw_path == TOKEN_PATH:
            return None
        url = request.base_url + request.raw_path
        try:
            self._books.auth.admit(request.method, url, request.query, request.headers.get("authorization"))
        except LoginRefused as refusal:
            return self._not_let_in(refusal)
        return None

    def _answer(self, request: _Request, fault: Fault | None) -> _Answer:
        if request.raw_path == TOKEN_PATH:
            return self._token(request)
        try:
            return self._routed(request, fault)
        except BookError as error:
            return _error_answer(error)

    def _routed(self, request: _Request, fault: Fault | None) -> _Answer:
        path = request.raw_path.rstrip("/")
        if "respond-async" in request.headers.get("prefer", ""):
            raise invalid_request("Asynchronous requests are not offered.")
        if path == SUITEQL_PATH:
            return self._suiteql(request, fault)
        if path == LIMITS_PATH:
            return _json_answer(netsuite_metadata.governance_limits(self._books.slots), "singular")
        if not path.startswith(f"{RECORD_PATH}/"):
            raise BookError(404, "NONEXISTENT_ID", "The requested resource does not exist.", url=path)
        if request.segments[0] == "metadata-catalog":
            return self._metadata(request)
        return self._record_service(request, fault)

    def _token(self, request: _Request) -> _Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        try:
            token = self._books.auth.issue_token(form, request.base_url + request.raw_path)
        except TokenRefused as refusal:
            body = json.dumps({"error": refusal.error}).encode()
            answer = _Answer(refusal.status, body, "application/json")
            if refusal.status == 401:
                answer.headers.append((b"www-authenticate", f'Basic realm="{self._books.account}"'.encode()))
            return answer
        return _Answer(200, json.dumps(token).encode(), "application/json;charset=utf-8")

    def _suiteql(self, request: _Request, fault: Fault | None) -> _Answer:
        if request.method != "POST":
            raise _no_method()
        if "transient" not in request.headers.get("prefer", "").lower():
            raise invalid_request("The Prefer header must be set to transient.")
        query, params = _asked(request.json())
        limit, offset = _page(request.params)
        if offset >= MOST_ROWS:
            raise invalid_parameter(f"A query returns at most {MOST_ROWS} rows.", "offset")
        lag = fault.seconds if fault and fault.kind is FaultKind.suiteql_lag else 0.0
        try:
            rows = self._books.query(query, params, limit, offset, lag)
        except SuiteQLError as error:
            detail = f"Invalid search query. Detailed unprocessed description follows. {error}"
            raise invalid_parameter(detail, "q") from None
        items: list[Json] = [{"links": [], **dict(sorted(row.items()))} for row in rows.as_dicts()]
        wrapper = _wrapped(request, SUITEQL_PATH, items, rows.total, limit, offset)
        answer = _json_answer(wrapper, "collection")
        answer.headers.append((b"preference-applied", b"transient"))
        return answer

    def _metadata(self, request: _Request) -> _Answer:
        if request.method != "GET":
            raise _no_method()
        names = request.segments[1:2] or [
            name for name in request.params.get("select", "").split(",") if name
        ]
        kinds = [self._books.kind(name, request.raw_path) for name in names]
        accepted = request.headers.get("accept", "")
        has_suite_tax = self._books.tax_engine == "suitetax"
        if "swagger" in accepted:
            document = netsuite_metadata.openapi(kinds or self._books.kinds(), has_suite_tax)
            return _Answer(200, _bytes(document), "application/swagger+json")
        if "schema+json" in accepted or request.segments[1:]:
            if len(kinds) != 1:
                raise invalid_parameter("A schema describes one record type.", "select")
            document = netsuite_metadata.json_schema(kinds[0], has_suite_tax)
            return _Answer(200, _bytes(document), "application/schema+json")
        listed = netsuite_metadata.listing(
            kinds or self._books.kinds(), request.base_url, request.echoed_query
        )
        return _Answer(200, _bytes(listed), "application/json")

    def _record_service(self, request: _Request, fault: Fault | None) -> _Answer:
        name, *rest = request.segments
        kind = self._books.kind(name, request.raw_path)
        match request.method, rest:
            case "GET", []:
                return self._list(request, kind)
            case "GET", [identifier]:
                return self._get(request, kind, identifier)
            case "GET", [identifier, *below] if not below[0].startswith("!"):
                return self._get_part(request, kind, identifier, below)
            case "POST", []:
                saved = self._books.create(kind.name, request.json(), _names(request), _script(fault))
            case "PATCH", [identifier]:
                saved = self._books.patch(
                    kind.name,
                    identifier,
                    request.json(),
                    _replaced(request, kind),
                    _names(request),
                    _script(fault),
                )
            case "PUT", [identifier] if identifier.lower().startswith("eid:"):
                saved = self._books.upsert(
                    kind.name,
                    identifier[4:],
                    request.json(),
                    _replaced(request, kind),
                    _names(request),
                    _script(fault),
                )
            case "POST", [identifier, "!transform", target]:
                saved = self._books.transform(
                    kind.name, identifier, target, request.json(), _names(request), _script(fault)
                )
            case "DELETE", [identifier]:
                self._books.delete(kind.name, identifier)
                return _Answer(204)
            case _:
                raise _no_method()
        return _saved_answer(request, saved)

    def _renderer(self, request: _Request) -> Renderer:
        return Renderer(
            request.base_url,
            self._books.find,
            expand=request.flag("expandSubResources"),
            simple=request.flag("simpleEnumFormat"),
        )

    def _get(self, request: _Request, kind: RecordType, identifier: str) -> _Answer:
        record = self._books.live(self._books.record(kind.name, identifier, request.raw_path))
        only = [name for name in request.params.get("fields", "").split(",") if name]
        return _json_answer(self._renderer(request).record(record, request.echoed_query, only), "singular")

    def _get_part(self, request: _Request, kind: RecordType, identifier: str, below: list[str]) -> _Answer:
        """A sublist, one of its lines, or a subrecord."""
        record = self._books.live(self._books.record(kind.name, identifier, request.raw_path))
        renderer = self._renderer(request)
        schema, value = kind.schema, cast("Mapping[str, Any]", record.fields)
        path = f"{kind.path}/{record.id}"
        while below:
            name = below.pop(0)
            part = schema.fields.get(name.lower())
            if part is None or part.kind not in {Kind.sublist, Kind.subrecord}:
                raise nonexistent_instance()
            schema, path = catalogue().schemas[part.target], f"{path}/{part.name}"
            if part.kind is Kind.subrecord:
                value = cast("Mapping[str, Any]", value.get(part.name) or {})
                continue
            lines = cast("list[dict[str, Any]]", value.get(part.name) or [])
            if not below:
                return _json_answer(renderer.sublist(record, part, lines), "collection")
            key = below.pop(0)
            value, path = _line_of(schema, lines, key), f"{path}/{key}"
        return _json_answer(renderer.line(schema, value, path), "singular")

    def _list(self, request: _Request, kind: RecordType) -> _Answer:
        limit, offset = _page(request.params)
        if offset // limit >= _MOST_PAGES:
            raise invalid_parameter("At most 1000 pages can be read.", "offset")
        found = self._books.listed(kind, request.params.get("q"))
        total = min(len(found), _MOST_PAGES * limit)
        renderer = self._renderer(request)
        items = [
            {"links": renderer.link(f"{kind.path}/{record.id}"), "id": record.id}
            for record in found[offset : min(offset + limit, total)]
        ]
        path = f"{RECORD_PATH}/{kind.path}"
        return _json_answer(_wrapped(request, path, items, total, limit, offset), "collection")

    def _busy(self, as_400: bool) -> _Answer:
        detail = _BUSY + _BUSY_400 if as_400 else _BUSY
        return _error_answer(BookError(400 if as_400 else 429, "CONCURRENCY_LIMIT_EXCEEDED", detail))

    def _html(self) -> _Answer:
        return _Answer(self._random.choice((200, 502)), _HTML, _HTML_TYPE)

    def _unexpected(self) -> _Answer:
        detail = f"An unexpected error occurred. Error ID: {self._uuid()}"
        return _error_answer(BookError(500, "UNEXPECTED_ERROR", detail))

    def _not_let_in(self, refusal: LoginRefused) -> _Answer:
        answer = _error_answer(BookError(refusal.status, "INVALID_LOGIN", _LOGIN_DETAIL))
        answer.headers.append((b"www-authenticate", refusal.challenge.encode()))
        return answer

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    async def _send(self, request: _Request, answer: _Answer, send: Send) -> None:
        body = answer.body
        headers = [
            *answer.headers,
            *_FIXED_HEADERS,
            (b"date", _http_date(self._clock)),
            (b"x-netsuite-jobid", self._uuid().encode()),
            (b"x-n-operationid", self._uuid().encode()),
        ]
        if answer.content_type:
            headers.append((b"content-type", answer.content_type.encode()))
        if len(body) >= _COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers.append((b"content-encoding", b"gzip"))
        if answer.status != 204:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: Scope, receive: Receive) -> _Request:
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
    return _Request(
        method=scope["method"],
        raw_path=raw_path.decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=b"".join(parts),
        base_url=f"{scope['scheme']}://{headers.get('host', 'localhost')}",
    )


def _http_date(clock: Clock) -> bytes:
    return clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").encode()


def _names(request: _Request) -> NameCheck:
    mode = request.headers.get("x-netsuite-propertynamevalidation", "warning").lower()
    return cast("NameCheck", mode) if mode in {"error", "ignore"} else "warning"


def _script(fault: Fault | None) -> Any:
    return _seller_script if fault and fault.kind is FaultKind.script_alters_value else None


def _seller_script(kind: RecordType, given: dict[str, Any]) -> None:
    """A script of the seller that puts its mark on what is saved (N 8.11)."""
    name = "memo" if "memo" in kind.schema.fields else "comments"
    if name in kind.schema.fields:
        given[name] = f"{given.get(name) or ''} [checked]".strip()


def _replaced(request: _Request, kind: RecordType) -> frozenset[str]:
    wanted = [name.strip().lower() for name in request.params.get("replace", "").split(",")]
    return frozenset(kind.schema.fields[name].name for name in wanted if name in kind.schema.fields)


def _asked(body: Any) -> tuple[str, list[Any]]:
    """Query and parameters of a SuiteQL body. Raises BookError."""
    fields: dict[str, Any] = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    query, params = fields.get("q"), fields.get("params", [])
    if not isinstance(query, str) or not isinstance(params, list):
        raise invalid_parameter("The query is missing in the request body.", "q")
    return query, cast("list[Any]", params)


def _page(params: Mapping[str, str]) -> tuple[int, int]:
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


def _wrapped(request: _Request, path: str, items: list[Json], total: int, limit: int, offset: int) -> Json:
    """One page of a collection. Page links carry limit and offset only (N 2.4)."""

    def page(name: str, start: int) -> Json:
        return {"rel": name, "href": f"{request.base_url}{path}?limit={limit}&offset={start}"}

    links: list[Json] = []
    if offset:
        links += [page("previous", offset - limit), page("first", 0)]
    has_more = offset + len(items) < total
    if has_more:
        # The last link is wrong in the product as well: the number of the last page, cut to a
        # multiple of the limit, stands where its offset belongs.
        last_page = -(-total // limit) - 1
        links += [page("next", offset + limit), page("last", last_page // limit * limit)]
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


def _line_of(schema: Schema, lines: list[dict[str, Any]], key: str) -> Mapping[str, Any]:
    for index, line in enumerate(lines):
        own = line.get(schema.key, index + 1) if schema.key else index + 1
        if str(own) == key:
            return line
    raise nonexistent_instance()


def _bytes(value: Any) -> bytes:
    return exact_json.dumps(value).encode()


def _json_answer(value: Any, kind: str) -> _Answer:
    return _Answer(200, _bytes(value), f"{_RESOURCE}; type={kind}; charset=UTF-8")


def _saved_answer(request: _Request, saved: Saved) -> _Answer:
    record: Record = saved.record
    location = f"{request.base_url}{RECORD_PATH}/{record.type.path}/{record.id}"
    answer = _Answer(204, headers=[(b"location", location.encode())])
    for path in saved.unknown:
        answer.headers.append((b"warning", f'199 - "Unknown property {path}"'.encode("latin-1", "replace")))
    return answer


def _no_method() -> BookError:
    return BookError(405, "INVALID_REQUEST", "The method is not allowed for this resource.")


def _error_answer(error: BookError) -> _Answer:
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
    return _Answer(error.status, _bytes(body), f"{_RESOURCE}; type=error; charset=UTF-8")
