"""One account's REST web services: records, SuiteQL, metadata.

The client says exactly one thing to NetSuite per request and reports exactly what came of it; when to
repeat a write is decided elsewhere, by whoever can look whether it happened (DESIGN 5).

- A *read* (GET, and a SuiteQL query although it is a POST) is repeated by itself while the trouble is
  transient or throttled.
- A *write* (create, patch, transform) goes out once. NetSuiteNotSent, NetSuiteThrottled and a 401 mean
  that nothing was done; NetSuiteAmbiguous means that nobody knows.
- A 401 renews the login once and repeats the request once, never more (N 1.4).

Invariant: every request is inside a slot of the gate, signed as it is sent, and bounded in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx
import stamina

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import Gate, Lane, OpenGate
from tiktok_ns_pipeline.netsuite import suiteql as suiteql_text
from tiktok_ns_pipeline.netsuite.auth import Authenticator, LoginPause
from tiktok_ns_pipeline.netsuite.errors import (
    Answer,
    NetSuiteAmbiguous,
    NetSuiteAuthenticationError,
    NetSuiteError,
    NetSuiteNotFound,
    NetSuiteNotSent,
    NetSuiteRefused,
    NetSuiteThrottled,
    NetSuiteTransient,
    error_of,
)
from tiktok_ns_pipeline.netsuite.suiteql import Parameter
from tiktok_ns_pipeline.netsuite.values import to_instant

# Rows per page and pages per list (N 2.4, 3.1), rows per SuiteQL query (N 3.1).
PAGE_ROWS = 1000
LIST_PAGES = 1000
SUITEQL_ROWS = 100_000

READ_ATTEMPTS = 5
RETRY_WAIT_MAX_S = 60.0
_RECORDS = "/services/rest/record/v1"
_SUITEQL = "/services/rest/query/v1/suiteql"
_GOVERNANCE = "/services/rest/system/v1/governanceLimits"
_CONNECT_TIMEOUT_S = 10.0
# Failures of which it is certain that no byte of the request has left.
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_CLOCK_QUERY = "SELECT TO_CHAR(SYSDATE, 'YYYY-MM-DD HH24:MI:SS') AS account_now FROM dual"
_QUARTER_HOUR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, before it is signed."""

    method: str
    path: str
    lane: Lane
    writes: bool
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def name(self) -> str:
        """Method and path, which is all that an error shows of a request."""
        return f"{self.method} {self.path}"


class NetSuiteClient:
    """Speaks to one NetSuite account. All methods raise NetSuiteError's subclasses (N 4.2)."""

    def __init__(
        self,
        base_url: str,
        authenticator: Authenticator,
        http: httpx.AsyncClient,
        clock: Clock,
        gate: Gate | None = None,
        *,
        timeout_s: float = 60.0,
        retry_wait_s: float = 1.0,
        binds_parameters: bool = True,
    ) -> None:
        """`base_url` as by `account_base_url`. `retry_wait_s` is the first wait of a repeated read,
        doubled each time. `binds_parameters=False` writes SuiteQL values into the text instead."""
        self._base_url = base_url.rstrip("/")
        self._authenticator = authenticator
        self._http = http
        self._clock = clock
        self._gate: Gate = gate or OpenGate()
        self._timeout_s = timeout_s
        # Getting a connection ends before the whole does, so that it is known to be the cause.
        connecting_s = min(timeout_s / 4, _CONNECT_TIMEOUT_S)
        self._phases = httpx.Timeout(timeout_s, connect=connecting_s, pool=connecting_s)
        self._retry_wait_s = retry_wait_s
        self._binds_parameters = binds_parameters
        self._pause = LoginPause(clock)

    # Records

    async def create(self, record_type: str, body: Mapping[str, Any], *, lane: Lane = "orders") -> str:
        """Create a record and return its internal id (N 2.5).

        Give the body an `externalId`: its uniqueness is the only guard against a second record.
        """
        return await self._written_id(_record_call("POST", record_type, lane, body=body))

    async def get(
        self, record_type: str, internal_id: str, *, expand: bool = True, lane: Lane = "orders"
    ) -> dict[str, Any]:
        """Read a record, with its sublists' lines when expanded (N 2.3). Raises NetSuiteNotFound."""
        query = (("expandSubResources", "true"),) if expand else ()
        return await self._read_document(_record_call("GET", record_type, lane, internal_id, query=query))

    async def get_by_external_id(
        self, record_type: str, external_id: str, *, expand: bool = True, lane: Lane = "orders"
    ) -> dict[str, Any] | None:
        """Read a record by our own key; None when this type has none of it (N 2.6).

        External ids are one namespace over all transactions, so None does not exclude that a document
        of another type holds the key: a create then fails with NetSuiteDuplicate.
        """
        try:
            return await self.get(record_type, f"eid:{external_id}", expand=expand, lane=lane)
        except NetSuiteNotFound:
            return None

    async def patch(
        self,
        record_type: str,
        internal_id: str,
        body: Mapping[str, Any],
        *,
        replace: Sequence[str] = (),
        lane: Lane = "orders",
    ) -> None:
        """Change the given fields. Lines with a key are changed, lines without one are added (N 2.7).

        A sublist named in `replace` keeps only the lines given: all others are deleted.
        """
        query = (("replace", ",".join(replace)),) if replace else ()
        await self._write(_record_call("PATCH", record_type, lane, internal_id, query=query, body=body))

    async def transform(
        self,
        record_type: str,
        internal_id: str,
        target: str,
        body: Mapping[str, Any],
        *,
        lane: Lane = "documents",
    ) -> str:
        """Make the follow-up document of a record and return its internal id (N 2.8).

        Mention every line: what happens to an unmentioned one is not certain.
        """
        call = _record_call("POST", record_type, lane, internal_id, "!transform", target, body=body)
        return await self._written_id(call)

    async def list_ids(self, record_type: str, q: str | None = None, *, lane: Lane = "bulk") -> list[str]:
        """Internal ids of all records of a type, or of those that match the filter `q` (N 2.4).

        The pages are counted here: `last` is wrong and `totalResults` is capped. The order is
        NetSuite's own. Raises NetSuiteRefused when the list is longer than can be paged.
        """
        ids: dict[str, None] = {}
        filters = (("q", q),) if q else ()
        for page_number in range(LIST_PAGES):
            query = (*filters, *_page_query(page_number))
            page = await self._read_document(_record_call("GET", record_type, lane, query=query))
            ids.update((str(item["id"]), None) for item in page["items"])
            if not page["hasMore"]:
                return list(ids)
        raise NetSuiteRefused(f"the list of {record_type} is longer than {LIST_PAGES} pages; narrow it by q")

    # SuiteQL

    async def suiteql(
        self, query: str, params: Sequence[Parameter] = (), *, lane: Lane = "bulk"
    ) -> list[dict[str, str]]:
        """All rows of a query: values are text, columns that are NULL are missing (N 3.1).

        A query of more than one page needs ORDER BY a unique column, ascending, since each page runs it
        again; rows that leave the result meanwhile can still shift a page, which `suiteql_keyset`
        withstands. Raises NetSuiteRefused for unordered pages and from 100,000 rows on, where NetSuite
        would leave out the rest without a word.
        """
        rows: list[dict[str, str]] = []
        for page_number in range(SUITEQL_ROWS // PAGE_ROWS):
            page = await self._suiteql_page(query, params, page_number, lane)
            rows += suiteql_text.rows_of(page)
            if not page["hasMore"]:
                return rows
            if page["totalResults"] >= SUITEQL_ROWS:
                break
            if not suiteql_text.is_ordered(query):
                raise NetSuiteRefused("a SuiteQL query of several pages needs ORDER BY a unique column")
        raise NetSuiteRefused(
            f"the SuiteQL query has {SUITEQL_ROWS:,} rows or more, which one query cannot return;"
            " narrow it, or read it with suiteql_keyset"
        )

    async def suiteql_keyset(
        self, query: str, key: str, params: Sequence[Parameter] = (), *, lane: Lane = "bulk", after: int = -1
    ) -> AsyncIterator[dict[str, str]]:
        """Rows of a query of any length, continued by its key instead of by offset (N 3.1).

        The query holds `{after}` once and orders by the key ascending, such as `SELECT t.id ... WHERE
        t.id > {after} ORDER BY t.id`; `key` is that column's name in the row, a whole number unique per
        row, greater than the first `after`. Rows that change meanwhile are neither skipped nor doubled.
        """
        while True:
            text, values = suiteql_text.continued(query, params, after)
            page = await self._suiteql_page(text, values, 0, lane)
            for row in suiteql_text.rows_of(page):
                if key not in row:
                    raise ValueError(f"the rows of the keyset query carry no {key}, only {', '.join(row)}")
                if int(row[key]) <= after:
                    raise NetSuiteRefused(f"a keyset query must return {key} ascending and unique")
                after = int(row[key])
                yield row
            if not page["hasMore"]:
                return

    async def suiteql_page(
        self, query: str, params: Sequence[Parameter] = (), *, lane: Lane = "bulk"
    ) -> list[dict[str, str]]:
        """The first 1,000 rows of a query: one statement, so they are consistent with each other (N 3.1)."""
        return suiteql_text.rows_of(await self._suiteql_page(query, params, 0, lane))

    async def account_now(self, *, lane: Lane = "bulk") -> str:
        """The account's own clock, `YYYY-MM-DD HH24:MI:SS`: read it before an extraction, as the next
        watermark (N 3.5)."""
        return (await self._clock_reading(lane))[0]

    async def account_utc_offset(self, *, lane: Lane = "bulk") -> timedelta:
        """How far the account's clock is ahead of UTC at this moment, in quarter hours (N 3.5)."""
        account_now, utc_now = await self._clock_reading(lane)
        as_if_utc = to_instant(account_now, UTC)
        assert as_if_utc is not None
        return round((as_if_utc - utc_now) / _QUARTER_HOUR) * _QUARTER_HOUR

    async def _clock_reading(self, lane: Lane) -> tuple[str, datetime]:
        """What the account's clock shows, and the instant at which it showed it."""
        answer = await self._read(_suiteql_call(_CLOCK_QUERY, (), 0, lane))
        row = suiteql_text.rows_of(_document(answer))[0]
        return row["account_now"], _date_of(answer) or self._clock.now()

    async def _suiteql_page(
        self, query: str, params: Sequence[Parameter], page_number: int, lane: Lane
    ) -> dict[str, Any]:
        values = suiteql_text.checked(params)
        if not self._binds_parameters:
            query, values = suiteql_text.inlined(query, values), []
        return await self._read_document(_suiteql_call(query, values, page_number, lane))

    # The account

    async def metadata_catalog(self, select: Sequence[str] = (), *, lane: Lane = "bulk") -> dict[str, Any]:
        """The record types that this account and role have, all or the selected ones (N 2.11)."""
        query = (("select", ",".join(select)),) if select else ()
        return await self._read_document(_record_call("GET", "metadata-catalog", lane, query=query))

    async def record_schema(self, record_type: str, *, lane: Lane = "bulk") -> dict[str, Any]:
        """JSON Schema of a record type as this account has it, custom fields included (N 2.11)."""
        accept = {"Accept": "application/schema+json"}
        return await self._read_document(
            _record_call("GET", "metadata-catalog", lane, record_type, headers=accept)
        )

    async def governance_limits(self, *, lane: Lane = "bulk") -> dict[str, Any]:
        """How many requests may be under way (N 4.3). Only administrators may ask."""
        return await self._read_document(_Call("GET", _GOVERNANCE, lane, writes=False))

    # From a call to its outcome

    async def _read_document(self, call: _Call) -> dict[str, Any]:
        return _document(await self._read(call))

    async def _read(self, call: _Call) -> Answer:
        """A read, repeated while it is only a matter of time."""
        async for attempt in stamina.retry_context(
            on=_repeat_read,
            attempts=READ_ATTEMPTS,
            timeout=None,
            wait_initial=self._retry_wait_s,
            wait_max=RETRY_WAIT_MAX_S,
            wait_jitter=self._retry_wait_s / 2,
        ):
            with attempt:
                return await self._exchange(call)
        raise AssertionError("the last attempt returns or raises")

    async def _write(self, call: _Call) -> Answer:
        """A write, once."""
        return await self._exchange(call)

    async def _written_id(self, call: _Call) -> str:
        """A write that makes a record; its id is the end of Location (N 2.2)."""
        answer = await self._write(call)
        path = urlsplit(answer.headers.get("location", "")).path
        internal_id = path.rstrip("/").rpartition("/")[2]
        if not path.startswith(_RECORDS) or not internal_id.lstrip("-").isdecimal():
            raise NetSuiteAmbiguous(
                "the answer does not name the new record",
                request=call.name,
                status=answer.status,
                operation_id=answer.operation_id,
            )
        return internal_id

    async def _exchange(self, call: _Call) -> Answer:
        """One request and its answer, inside a slot; errors pass through the slot so that the gate
        learns of a throttle."""
        async with self._gate.slot(call.lane):
            self._pause.check(call.name)
            response, proof = await self._send(call)
            # A 401 did nothing, so even a write may be repeated, with another proof (N 1.4).
            if response.status_code == 401 and await self._renewed(call, proof):
                response, _ = await self._send(call)
            answer = Answer.read(response.status_code, response.headers, response.content)
            error = error_of(answer, request=call.name, writes=call.writes)
            if error is None:
                return answer
            if isinstance(error, NetSuiteAuthenticationError):
                self._pause.begin()
            raise error

    async def _send(self, call: _Call) -> tuple[httpx.Response, dict[str, str]]:
        """Sign and send; returns the answer and the proof it was sent with."""
        request = self._http.build_request(
            call.method,
            self._url(call),
            headers=dict(call.headers),
            content=None if call.body is None else _encoded_body(call.body),
            timeout=self._phases,
        )
        proof = await self._proof(call, str(request.url))
        request.headers.update(proof)
        try:
            # httpx times phases, and an in-process transport none; this bounds the whole.
            async with asyncio.timeout(self._timeout_s):
                return await self._http.send(request, follow_redirects=False), proof
        except _BEFORE_SENDING as failure:
            kind = NetSuiteNotSent if call.writes else NetSuiteTransient
            raise kind(f"no connection ({type(failure).__name__})", request=call.name) from failure
        except (httpx.RequestError, TimeoutError) as failure:
            kind = NetSuiteAmbiguous if call.writes else NetSuiteTransient
            raise kind(f"no answer ({type(failure).__name__})", request=call.name) from failure

    async def _proof(self, call: _Call, url: str) -> dict[str, str]:
        try:
            return await self._authenticator.headers(call.method, url)
        except NetSuiteError as failure:
            raise self._login_failure(call, failure) from failure

    async def _renewed(self, call: _Call, refused: Mapping[str, str]) -> bool:
        try:
            return await self._authenticator.renew(refused)
        except NetSuiteError as failure:
            raise self._login_failure(call, failure) from failure

    def _login_failure(self, call: _Call, failure: NetSuiteError) -> NetSuiteError:
        """What trouble with the login means for the request behind it, which was not carried out."""
        if isinstance(failure, NetSuiteAuthenticationError):
            self._pause.begin()
        if isinstance(failure, NetSuiteTransient) and call.writes:
            return NetSuiteNotSent(f"no login: {failure.detail}", request=call.name)
        return failure

    def _url(self, call: _Call) -> str:
        """The address as it is sent and signed: everything percent-encoded here, once (N 1.4)."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in call.query)
        return self._base_url + call.path + (f"?{query}" if query else "")


def _record_call(
    method: str,
    record_type: str,
    lane: Lane,
    *segments: str,
    query: tuple[tuple[str, str], ...] = (),
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> _Call:
    """A call of the record service. Misspelt property names are refused, not dropped (N 2.5).

    Raises ValueError for an empty id.
    """
    if not all(segments):
        raise ValueError(f"an empty id of {record_type} would address the whole list")
    path = "/".join([_RECORDS, *(quote(segment, safe=":!") for segment in (record_type, *segments))])
    writes = method != "GET"
    strict = {"Content-Type": "application/json", "X-NetSuite-PropertyNameValidation": "Error"}
    return _Call(method, path, lane, writes, query, body, {**(strict if writes else {}), **(headers or {})})


def _suiteql_call(query: str, params: Sequence[Parameter], page_number: int, lane: Lane) -> _Call:
    """A query: a POST that changes nothing. `Prefer: transient` is mandatory (N 3.1)."""
    headers = {"Content-Type": "application/json", "Prefer": "transient"}
    body = {"q": query, "params": list(params)} if params else {"q": query}
    return _Call("POST", _SUITEQL, lane, False, _page_query(page_number), body, headers)


def _page_query(page_number: int) -> tuple[tuple[str, str], ...]:
    return ("limit", str(PAGE_ROWS)), ("offset", str(page_number * PAGE_ROWS))


def _document(answer: Answer) -> dict[str, Any]:
    """The JSON object of a successful read, which always has one."""
    assert answer.document is not None
    return answer.document


def _date_of(answer: Answer) -> datetime | None:
    """When the answer was given by the server's own clock, where it says so intelligibly."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None


def _encoded_body(body: Mapping[str, Any]) -> bytes:
    """JSON with exact numbers. Raises TypeError for a float, which could be an inexact amount."""
    _refuse_floats(body, "body")
    return exact_json.dumps(body).encode()


def _refuse_floats(value: Any, where: str) -> None:
    if isinstance(value, float):
        raise TypeError(f"{where} is a float; amounts and quantities are Decimal")
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[str, Any]", value).items():
            _refuse_floats(item, f"{where}.{name}")
    if isinstance(value, (list, tuple)):
        for position, item in enumerate(cast("Sequence[Any]", value)):
            _refuse_floats(item, f"{where}[{position}]")


def _repeat_read(failure: Exception) -> bool | float:
    """Whether to repeat a read, and after how many seconds where NetSuite says so (N 4.2)."""
    if not isinstance(failure, (NetSuiteTransient, NetSuiteThrottled)):
        return False
    if failure.retry_after_s is None:
        return True
    return min(failure.retry_after_s, RETRY_WAIT_MAX_S)
