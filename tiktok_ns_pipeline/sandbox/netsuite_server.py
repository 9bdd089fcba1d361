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
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

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
from tiktok_ns_pipeline.sandbox.netsuite_http import (
    RECORD_PATH,
    Answer,
    Request,
    error_answer,
    json_answer,
    json_bytes,
    page_of,
    read_request,
    wrapped,
)
from tiktok_ns_pipeline.sandbox.suiteql import MOST_ROWS
from tiktok_ns_pipeline.sandbox.suiteql_translation import SuiteQLError
from tiktok_ns_pipeline.sandbox.transport import AsgiApp, Receive, Scope, Send

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path
SUITEQL_PATH = "/services/rest/query/v1/suiteql"
LIMITS_PATH = "/services/rest/system/v1/governanceLimits"

_MOST_PAGES = 1_000
# A read takes this share of a save's time (N 4.4).
_READ_SHARE = 0.15
# Answers at least this long are compressed for callers who accept it.
_COMPRESSED_FROM = 4_096
# Share of refusals over the concurrency limit that come as 400 instead of 429 (N 4.2).
_SHARE_AS_400 = 0.2

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


def netsuite_app(
    books: Books, faults: FaultPlan, clock: Clock, catch_up: Callable[[], object] | None = None
) -> AsgiApp:
    """The service as an ASGI app."""
    return NetSuiteServer(books, faults, clock, catch_up)


class NetSuiteServer:
    """Answers requests over one account's books, within its number of slots.

    `catch_up` is called before each answer: it lets happen what others were to do by then.
    """

    def __init__(
        self, books: Books, faults: FaultPlan, clock: Clock, catch_up: Callable[[], object] | None = None
    ) -> None:
        self._books = books
        self._catch_up = catch_up
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
        request = await read_request(scope, receive)
        if self._catch_up is not None:
            self._catch_up()
        answer = await self._answered(request)
        await self._send(request, answer, send)

    async def _answered(self, request: Request) -> Answer:
        path = unquote(request.raw_path)
        if request.raw_path == TOKEN_PATH:
            fault = self._faults.decide_injected("netsuite", request.method, path)
            return await self._with_fault(request, fault)
        if request.method == "OPTIONS":
            return Answer(204)
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

    async def _with_fault(self, request: Request, fault: Fault | None) -> Answer:
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

    def _instead(self, request: Request, kind: FaultKind | None) -> Answer | None:
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
                answer = Answer(503, _HTML, _HTML_TYPE)
            case FaultKind.html_body if self._random.random() < 0.5:
                # A gateway's page says nothing about what happened behind it: here, nothing.
                answer = self._html()
            case FaultKind.unauthorized:
                self._books.auth.revoke(request.headers.get("authorization"))
                answer = self._not_let_in(LoginRefused(401, self._books.auth.bearer_challenge()))
            case FaultKind.record_changed:
                answer = error_answer(BookError(400, "RCRD_HAS_BEEN_CHANGED", "Record has been changed"))
            case _:
                pass
        return answer

    def _turned_away(self, request: Request) -> Answer | None:
        """The refusal of a caller who may not in."""
        if request.raw_path == TOKEN_PATH:
            return None
        url = request.base_url + request.raw_path
        try:
            self._books.auth.admit(request.method, url, request.query, request.headers.get("authorization"))
        except LoginRefused as refusal:
            return self._not_let_in(refusal)
        return None

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        if request.raw_path == TOKEN_PATH:
            return self._token(request)
        try:
            return self._routed(request, fault)
        except BookError as error:
            return error_answer(error)

    def _routed(self, request: Request, fault: Fault | None) -> Answer:
        path = request.raw_path.rstrip("/")
        if "respond-async" in request.headers.get("prefer", ""):
            raise invalid_request("Asynchronous requests are not offered.")
        if path == SUITEQL_PATH:
            return self._suiteql(request, fault)
        if path == LIMITS_PATH:
            return json_answer(netsuite_metadata.governance_limits(self._books.slots), "singular")
        if not path.startswith(f"{RECORD_PATH}/"):
            raise BookError(404, "NONEXISTENT_ID", "The requested resource does not exist.", url=path)
        if request.segments[0] == "metadata-catalog":
            return self._metadata(request)
        return self._record_service(request, fault)

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        try:
            token = self._books.auth.issue_token(form, request.base_url + request.raw_path)
        except TokenRefused as refusal:
            body = json.dumps({"error": refusal.error}).encode()
            answer = Answer(refusal.status, body, "application/json")
            if refusal.status == 401:
                answer.headers.append((b"www-authenticate", f'Basic realm="{self._books.account}"'.encode()))
            return answer
        return Answer(200, json.dumps(token).encode(), "application/json;charset=utf-8")

    def _suiteql(self, request: Request, fault: Fault | None) -> Answer:
        if request.method != "POST":
            raise _no_method()
        if "transient" not in request.headers.get("prefer", "").lower():
            raise invalid_request("The Prefer header must be set to transient.")
        query, params = _asked(request.json())
        limit, offset = page_of(request.params)
        if offset >= MOST_ROWS:
            raise invalid_parameter(f"A query returns at most {MOST_ROWS} rows.", "offset")
        lag = fault.seconds if fault and fault.kind is FaultKind.suiteql_lag else 0.0
        try:
            rows = self._books.query(query, params, limit, offset, lag)
        except SuiteQLError as error:
            detail = f"Invalid search query. Detailed unprocessed description follows. {error}"
            raise invalid_parameter(detail, "q") from None
        items: list[Json] = [{"links": [], **dict(sorted(row.items()))} for row in rows.as_dicts()]
        wrapper = wrapped(request, SUITEQL_PATH, items, rows.total, limit, offset)
        answer = json_answer(wrapper, "collection")
        answer.headers.append((b"preference-applied", b"transient"))
        return answer

    def _metadata(self, request: Request) -> Answer:
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
            return Answer(200, json_bytes(document), "application/swagger+json")
        if "schema+json" in accepted or request.segments[1:]:
            if len(kinds) != 1:
                raise invalid_parameter("A schema describes one record type.", "select")
            document = netsuite_metadata.json_schema(kinds[0], has_suite_tax)
            return Answer(200, json_bytes(document), "application/schema+json")
        listed = netsuite_metadata.listing(
            kinds or self._books.kinds(), request.base_url, request.echoed_query
        )
        return Answer(200, json_bytes(listed), "application/json")

    def _record_service(self, request: Request, fault: Fault | None) -> Answer:
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
                return Answer(204)
            case _:
                raise _no_method()
        return _saved_answer(request, saved)

    def _renderer(self, request: Request) -> Renderer:
        return Renderer(
            request.base_url,
            self._books.find,
            expand=request.flag("expandSubResources"),
            simple=request.flag("simpleEnumFormat"),
        )

    def _get(self, request: Request, kind: RecordType, identifier: str) -> Answer:
        record = self._books.live(self._books.record(kind.name, identifier, request.raw_path))
        only = [name for name in request.params.get("fields", "").split(",") if name]
        return json_answer(self._renderer(request).record(record, request.echoed_query, only), "singular")

    def _get_part(self, request: Request, kind: RecordType, identifier: str, below: list[str]) -> Answer:
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
                return json_answer(renderer.sublist(record, part, lines), "collection")
            key = below.pop(0)
            value, path = _line_of(schema, lines, key), f"{path}/{key}"
        return json_answer(renderer.line(schema, value, path), "singular")

    def _list(self, request: Request, kind: RecordType) -> Answer:
        limit, offset = page_of(request.params)
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
        return json_answer(wrapped(request, path, items, total, limit, offset), "collection")

    def _busy(self, as_400: bool) -> Answer:
        detail = _BUSY + _BUSY_400 if as_400 else _BUSY
        return error_answer(BookError(400 if as_400 else 429, "CONCURRENCY_LIMIT_EXCEEDED", detail))

    def _html(self) -> Answer:
        return Answer(self._random.choice((200, 502)), _HTML, _HTML_TYPE)

    def _unexpected(self) -> Answer:
        detail = f"An unexpected error occurred. Error ID: {self._uuid()}"
        return error_answer(BookError(500, "UNEXPECTED_ERROR", detail))

    def _not_let_in(self, refusal: LoginRefused) -> Answer:
        answer = error_answer(BookError(refusal.status, "INVALID_LOGIN", _LOGIN_DETAIL))
        answer.headers.append((b"www-authenticate", refusal.challenge.encode()))
        return answer

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    async def _send(self, request: Request, answer: Answer, send: Send) -> None:
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


def _http_date(clock: Clock) -> bytes:
    return clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").encode()


def _names(request: Request) -> NameCheck:
    mode = request.headers.get("x-netsuite-propertynamevalidation", "warning").lower()
    return cast("NameCheck", mode) if mode in {"error", "ignore"} else "warning"


def _script(fault: Fault | None) -> Any:
    return _seller_script if fault and fault.kind is FaultKind.script_alters_value else None


def _seller_script(kind: RecordType, given: dict[str, Any]) -> None:
    """A script of the seller that puts its mark on what is saved (N 8.11)."""
    name = "memo" if "memo" in kind.schema.fields else "comments"
    if name in kind.schema.fields:
        given[name] = f"{given.get(name) or ''} [checked]".strip()


def _replaced(request: Request, kind: RecordType) -> frozenset[str]:
    wanted = [name.strip().lower() for name in request.params.get("replace", "").split(",")]
    return frozenset(kind.schema.fields[name].name for name in wanted if name in kind.schema.fields)


def _asked(body: Any) -> tuple[str, list[Any]]:
    """Query and parameters of a SuiteQL body. Raises BookError."""
    fields: dict[str, Any] = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    query, params = fields.get("q"), fields.get("params", [])
    if not isinstance(query, str) or not isinstance(params, list):
        raise invalid_parameter("The query is missing in the request body.", "q")
    return query, cast("list[Any]", params)


def _line_of(schema: Schema, lines: list[dict[str, Any]], key: str) -> Mapping[str, Any]:
    for index, line in enumerate(lines):
        own = line.get(schema.key, index + 1) if schema.key else index + 1
        if str(own) == key:
            return line
    raise nonexistent_instance()


def _saved_answer(request: Request, saved: Saved) -> Answer:
    record: Record = saved.record
    location = f"{request.base_url}{RECORD_PATH}/{record.type.path}/{record.id}"
    answer = Answer(204, headers=[(b"location", location.encode())])
    for path in saved.unknown:
        answer.headers.append((b"warning", f'199 - "Unknown property {path}"'.encode("latin-1", "replace")))
    return answer


def _no_method() -> BookError:
    return BookError(405, "INVALID_REQUEST", "The method is not allowed for this resource.")
