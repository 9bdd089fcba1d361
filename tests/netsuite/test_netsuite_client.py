"""What the client sends, what it makes of the answer, and what it does when there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.netsuite.scripted_server import (
    BASE_URL,
    Answer,
    Request,
    ScriptedServer,
    StoppedClock,
    client_of,
    created,
    problem,
    sample,
    tba,
)
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.netsuite import (
    NetSuiteAmbiguous,
    NetSuiteAuthenticationError,
    NetSuiteClient,
    NetSuiteError,
    NetSuiteNotFound,
    NetSuiteNotSent,
    NetSuiteRefused,
    NetSuiteThrottled,
    NetSuiteTransient,
    OAuth2ClientCredentials,
)
from tiktok_ns_pipeline.tokens import MemoryTokenStore

RECORDS = "/services/rest/record/v1"
ORDER = {"externalId": "tts-us-so-1", "item": {"items": [{"amount": Decimal("19.90")}]}}
TOO_MANY = problem(429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked.")
NO_LOGIN = problem(401, "INVALID_LOGIN", "Invalid login attempt.")
TRANSACTION_ABSENT = sample("capture.error.400.transaction-id.json")["response"]
ENTITY_ABSENT = sample("capture.error.404.entity-id.json")["response"]
TYPE_ABSENT = sample("capture.error.404.record-type.json")["response"]

Operation = Callable[[NetSuiteClient], Awaitable[Any]]

READS: dict[str, Operation] = {
    "get": lambda client: client.get("salesOrder", "7"),
    "get by external id": lambda client: client.get_by_external_id("salesOrder", "tts-us-so-1"),
    "list": lambda client: client.list_ids("salesOrder"),
    "suiteql": lambda client: client.suiteql("SELECT id FROM t ORDER BY id"),
    "metadata": lambda client: client.metadata_catalog(["salesOrder"]),
}
WRITES: dict[str, Operation] = {
    "create": lambda client: client.create("salesOrder", ORDER),
    "patch": lambda client: client.patch("salesOrder", "7", {"memo": "x"}),
    "transform": lambda client: client.transform("salesOrder", "7", "itemFulfillment", {}),
}
each_read = pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
PAGE = {"items": [], "hasMore": False, "count": 0, "offset": 0, "totalResults": 0}


def outcome(server: ScriptedServer, operation: Operation, **options: Any) -> Any:
    """What an operation returns, or the error that it raises."""
    try:
        return asyncio.run(operation(client_of(server, **options)))  # type: ignore[arg-type]
    except NetSuiteError as error:
        return error


# Records


def test_create_posts_once_and_takes_the_id_from_location() -> None:
    server = ScriptedServer([created("salesorder", "70011")])
    assert outcome(server, WRITES["create"]) == "70011"
    [request] = server.requests
    assert (request.method, request.path) == ("POST", RECORDS + "/salesOrder")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-netsuite-propertynamevalidation"] == "Error"
    assert b'"amount":19.90' in request.body, "an exact number, not text and not a float"
    assert request.json == ORDER


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_success_of_a_create_counts(status: int) -> None:
    answer = Answer(status, headers={"location": f"http://127.0.0.1:9{RECORDS}/salesorder/5"})
    assert outcome(ScriptedServer([answer]), WRITES["create"]) == "5"


@pytest.mark.parametrize(
    "location", ["", f"{BASE_URL}{RECORDS}/salesorder/", f"{BASE_URL}/services/rest/async/v1/job/5"]
)
def test_create_without_a_record_in_location_is_ambiguous(location: str) -> None:
    server = ScriptedServer([Answer(204, headers={"location": location})])
    assert isinstance(outcome(server, WRITES["create"]), NetSuiteAmbiguous)
    assert len(server.requests) == 1


def test_float_never_leaves() -> None:
    server = ScriptedServer([created("salesorder", "1")])
    body = {"item": {"items": [{"rate": Decimal(1)}, {"rate": 19.95}]}}
    with pytest.raises(TypeError, match=r"body\.item\.items\[1\]\.rate is a float"):
        outcome(server, lambda client: client.create("salesOrder", body))
    assert server.requests == []


def test_record_is_read_with_its_lines_and_exact_amounts() -> None:
    record = sample("capture.get.record.expanded.json")["response"]["body"] | {"total": Decimal("57.39")}
    server = ScriptedServer([Answer(200, record)])
    assert outcome(server, lambda client: client.get("vendor", "134775")) == record
    [request] = server.requests
    assert request.path == RECORDS + "/vendor/134775"
    assert request.query == {"expandSubResources": ["true"]}


def test_record_is_read_without_lines_on_request() -> None:
    server = ScriptedServer([Answer(200, {"id": "7"})])
    outcome(server, lambda client: client.get("vendor", "7", expand=False))
    assert server.requests[0].query == {}


def test_record_is_read_by_external_id() -> None:
    server = ScriptedServer([Answer(200, {"id": "7"})])
    assert outcome(server, READS["get by external id"]) == {"id": "7"}
    assert server.requests[0].path == RECORDS + "/salesOrder/eid:tts-us-so-1"


@pytest.mark.parametrize("absent", [TRANSACTION_ABSENT, ENTITY_ABSENT], ids=["transaction", "entity"])
def test_absent_external_id_is_none_and_absent_id_is_an_error(absent: dict[str, Any]) -> None:
    answer = Answer(absent["status"], absent["body"])
    assert outcome(ScriptedServer([answer]), READS["get by external id"]) is None
    assert isinstance(outcome(ScriptedServer([answer]), READS["get"]), NetSuiteNotFound)


def test_unknown_record_type_is_not_taken_for_an_absent_record() -> None:
    server = ScriptedServer([Answer(TYPE_ABSENT["status"], TYPE_ABSENT["body"])])
    assert isinstance(outcome(server, READS["get by external id"]), NetSuiteRefused)


def test_empty_id_is_refused_before_it_addresses_the_whole_list() -> None:
    with pytest.raises(ValueError, match="empty id"):
        outcome(ScriptedServer([]), lambda client: client.get("salesOrder", ""))


def test_strange_external_id_stays_one_path_segment() -> None:
    server = ScriptedServer([Answer(200, {"id": "7"})])
    outcome(server, lambda client: client.get_by_external_id("customer", "a/b ?é"))
    assert server.requests[0].path == RECORDS + "/customer/eid:a%2Fb%20%3F%C3%A9"


def test_patch_sends_only_the_given_fields_and_names_replaced_sublists() -> None:
    server = ScriptedServer([Answer(204)])
    change = {"memo": None, "item": {"items": [{"line": 1, "isClosed": True}]}}
    assert outcome(server, lambda client: client.patch("salesOrder", "7", change)) is None
    assert outcome(server, lambda client: client.patch("salesOrder", "7", change, replace=["item"])) is None
    plain, replacing = server.requests
    assert (plain.method, plain.path, plain.query) == ("PATCH", RECORDS + "/salesOrder/7", {})
    assert plain.json == change
    assert replacing.query == {"replace": ["item"]}


def test_transform_returns_the_id_of_the_new_document() -> None:
    server = ScriptedServer([created("itemfulfillment", "70050")])
    assert outcome(server, WRITES["transform"]) == "70050"
    [request] = server.requests
    assert (request.method, request.path) == ("POST", RECORDS + "/salesOrder/7/!transform/itemFulfillment")
    assert request.json == {}


def paged(rows: list[Any], **more: Any) -> Callable[[Request], Answer]:
    """A server of many rows that pages as NetSuite does, wrong `last` link included."""

    def answer(request: Request) -> Answer:
        limit, offset = int(request.query["limit"][0]), int(request.query["offset"][0])
        assert offset % limit == 0
        page = rows[offset : offset + limit]
        links = [{"rel": "next", "href": "http://nowhere/"}, {"rel": "last", "href": "http://nowhere/"}]
        body = {
            "links": links,
            "count": len(page),
            "hasMore": offset + limit < len(rows),
            "items": page,
            "offset": offset,
            "totalResults": len(rows),
        }
        return Answer(200, body | more)

    return answer


def test_list_counts_its_own_pages_and_drops_doubles() -> None:
    ids = [{"id": str(number), "links": []} for number in range(2300)]
    server = ScriptedServer(paged([*ids, ids[0]], totalResults=5))
    assert outcome(server, READS["list"]) == [str(number) for number in range(2300)]
    assert [request.query["offset"] for request in server.requests] == [["0"], ["1000"], ["2000"]]


def test_list_filter_is_percent_encoded_once() -> None:
    server = ScriptedServer(paged([]))
    filter_text = 'externalId START_WITH "tts-us-so" AND memo IS "50% + é"'
    assert outcome(server, lambda client: client.list_ids("salesOrder", filter_text)) == []
    assert server.requests[0].query["q"] == [filter_text]


def test_endless_list_ends_with_advice() -> None:
    server = ScriptedServer([Answer(200, PAGE | {"hasMore": True})])
    error = outcome(server, READS["list"])
    assert isinstance(error, NetSuiteRefused) and "narrow it by q" in str(error)
    assert len(server.requests) == 1000


# SuiteQL


def test_query_is_posted_with_its_values_and_the_transient_preference() -> None:
    server = ScriptedServer([Answer(200, sample("capture.suiteql.json")["response"]["body"])])
    query = "SELECT id, companyname FROM vendor WHERE type = ? AND n > ?"
    rows = outcome(server, lambda client: client.suiteql(query, ["SalesOrd", Decimal("1.5")]))
    assert rows[1] == {"companyname": "Example Vendor", "id": "8"}
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/services/rest/query/v1/suiteql")
    assert request.headers["prefer"] == "transient"
    assert request.query == {"limit": ["1000"], "offset": ["0"]}
    assert request.json == {"q": query, "params": ["SalesOrd", Decimal("1.5")]}


def test_query_inlines_its_values_where_the_account_binds_none() -> None:
    server = ScriptedServer([Answer(200, PAGE)])
    query = "SELECT id FROM t WHERE a = ?"
    outcome(server, lambda client: client.suiteql(query, ["O'Neill"]), binds_parameters=False)
    assert server.requests[0].json == {"q": "SELECT id FROM t WHERE a = 'O''Neill'"}


def test_query_of_several_pages_returns_all_rows() -> None:
    rows = [{"links": [], "id": str(number)} for number in range(2001)]
    server = ScriptedServer(paged(rows))
    assert outcome(server, READS["suiteql"]) == [{"id": row["id"]} for row in rows]
    assert len(server.requests) == 3


def test_several_pages_without_order_are_refused() -> None:
    server = ScriptedServer(paged([{"links": [], "id": str(number)} for number in range(1001)]))
    error = outcome(server, lambda client: client.suiteql("SELECT id FROM t"))
    assert isinstance(error, NetSuiteRefused) and "ORDER BY" in str(error)


def test_hundred_thousand_rows_are_refused_at_the_first_page_with_advice() -> None:
    server = ScriptedServer(paged([{"links": []}] * 1001, totalResults=100_000))
    error = outcome(server, READS["suiteql"])
    assert isinstance(error, NetSuiteRefused) and "suiteql_keyset" in str(error)
    assert len(server.requests) == 1


def keyset_rows(total: int, step: int = 1) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        kind, after = request.json["params"]
        assert kind == "SalesOrd" and request.query["offset"] == ["0"]
        left = [number for number in range(0, total * step, step) if number > after]
        items = [{"links": [], "id": str(number)} for number in left[:1000]]
        return Answer(200, PAGE | {"items": items, "hasMore": len(left) > 1000, "totalResults": 100_000})

    return answer


KEYSET = "SELECT id FROM transaction WHERE type = ? AND id > {after} ORDER BY id"


async def keyset(client: NetSuiteClient) -> list[str]:
    return [row["id"] async for row in client.suiteql_keyset(KEYSET, "id", ["SalesOrd"])]


def test_keyset_reads_on_from_its_last_key_whatever_the_length() -> None:
    server = ScriptedServer(keyset_rows(3500, step=7))
    assert outcome(server, keyset) == [str(7 * number) for number in range(3500)]
    assert [request.json["params"][1] for request in server.requests] == [-1, 6993, 13993, 20993]


def test_keyset_refuses_keys_that_do_not_ascend() -> None:
    page = PAGE | {"items": [{"id": "5"}, {"id": "5"}]}
    error = outcome(ScriptedServer([Answer(200, page)]), keyset)
    assert isinstance(error, NetSuiteRefused) and "ascending" in str(error)


# The account


def clock_server(shown: str, date: str | None) -> ScriptedServer:
    headers = {"Date": date} if date else {}
    return ScriptedServer([Answer(200, PAGE | {"items": [{"links": [], "account_now": shown}]}, headers)])


def test_account_clock_is_read_as_it_stands() -> None:
    server = clock_server("2026-01-15 23:59:58", None)
    assert outcome(server, lambda client: client.account_now()) == "2026-01-15 23:59:58"


@pytest.mark.parametrize(
    ("shown", "date", "offset"),
    [
        ("2026-01-15 15:59:57", "Fri, 16 Jan 2026 00:00:01 GMT", timedelta(hours=-8)),
        ("2026-01-16 05:45:02", "Fri, 16 Jan 2026 00:00:01 GMT", timedelta(hours=5, minutes=45)),
        ("2025-12-31 16:00:00", None, timedelta(hours=-8)),
        ("2025-12-31 16:00:00", "yesterday", timedelta(hours=-8)),
    ],
)
def test_account_offset_compares_with_the_answer_s_date(
    shown: str, date: str | None, offset: timedelta
) -> None:
    clock = StoppedClock(datetime(2026, 1, 1, tzinfo=UTC))
    server = clock_server(shown, date)
    assert outcome(server, lambda client: client.account_utc_offset(), clock=clock) == offset


def test_metadata_schema_and_limits_are_read_from_their_places() -> None:
    server = ScriptedServer([Answer(200, {"items": []})])
    outcome(server, lambda client: client.metadata_catalog(["customer", "salesOrder"]))
    outcome(server, lambda client: client.record_schema("salesOrder"))
    outcome(server, lambda client: client.governance_limits())
    catalogue, schema, limits = server.requests
    assert catalogue.path == RECORDS + "/metadata-catalog"
    assert catalogue.query == {"select": ["customer,salesOrder"]}
    assert schema.path == RECORDS + "/metadata-catalog/salesOrder"
    assert schema.headers["accept"] == "application/schema+json"
    assert limits.path == "/services/rest/system/v1/governanceLimits"


# Repeating


@each_read
@pytest.mark.parametrize(
    "trouble",
    [TOO_MANY, problem(400, "CONCURRENCY_LIMIT_EXCEEDED", "x"), Answer(503), Answer(200, b"<html>")],
    ids=["429", "400", "503", "page"],
)
def test_read_is_repeated_while_it_is_a_matter_of_time(read: Operation, trouble: Answer) -> None:
    server = ScriptedServer([trouble, trouble, Answer(200, PAGE)])
    assert not isinstance(outcome(server, read), NetSuiteError)
    assert len(server.requests) == 3


@each_read
def test_read_is_given_up_after_five_attempts(read: Operation) -> None:
    server = ScriptedServer([TOO_MANY])
    assert isinstance(outcome(server, read), NetSuiteThrottled)
    assert len(server.requests) == 5


@each_read
def test_refused_read_is_not_repeated(read: Operation) -> None:
    server = ScriptedServer([problem(400, "INVALID_PARAMETER", "Invalid or unsupported search.")])
    assert isinstance(outcome(server, read), NetSuiteRefused)
    assert len(server.requests) == 1


def test_read_waits_as_long_as_it_is_told() -> None:
    told = Answer(TOO_MANY.status, TOO_MANY.body, {"Retry-After": "1"})
    server = ScriptedServer([told, Answer(200, PAGE)])

    async def timed(client: NetSuiteClient) -> float:
        started = asyncio.get_running_loop().time()
        await client.get("salesOrder", "7")
        return asyncio.get_running_loop().time() - started

    assert 1.0 <= outcome(server, timed) < 3.0


@each_write
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (TOO_MANY, NetSuiteThrottled),
        (problem(400, "CONCURRENCY_LIMIT_EXCEEDED", "x"), NetSuiteThrottled),
        (Answer(500), NetSuiteAmbiguous),
        (Answer(503), NetSuiteAmbiguous),
        (Answer(502, b"<html>gateway</html>"), NetSuiteAmbiguous),
        (Answer(200, b"<html>hello</html>"), NetSuiteAmbiguous),
    ],
    ids=["429", "400", "500", "503", "502 page", "200 page"],
)
def test_write_goes_out_once(write: Operation, answer: Answer, kind: type[NetSuiteError]) -> None:
    server = ScriptedServer([answer])
    assert type(outcome(server, write)) is kind
    assert len(server.requests) == 1


# No answer


@each_write
def test_write_without_an_answer_in_time_is_ambiguous(write: Operation) -> None:
    server = ScriptedServer([Answer(204, after_s=30)])
    assert isinstance(outcome(server, write, timeout_s=0.05), NetSuiteAmbiguous)
    assert len(server.requests) == 1


def test_read_without_an_answer_in_time_is_repeated() -> None:
    server = ScriptedServer([Answer(200, PAGE, after_s=30), Answer(200, {"id": "7"})])
    assert outcome(server, READS["get"], timeout_s=0.05) == {"id": "7"}


def over_loopback(port: int) -> NetSuiteClient:
    return NetSuiteClient(
        f"http://127.0.0.1:{port}", tba(), httpx.AsyncClient(), StoppedClock(), timeout_s=5, retry_wait_s=0
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@each_write
def test_write_that_found_no_server_was_not_sent(write: Operation) -> None:
    with pytest.raises(NetSuiteNotSent):
        asyncio.run(write(over_loopback(free_port())))  # type: ignore[arg-type]


def test_read_that_found_no_server_is_transient() -> None:
    with pytest.raises(NetSuiteTransient):
        asyncio.run(READS["get"](over_loopback(free_port())))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "last_words",
    [b"", b"HTTP/1.1 204 No Con", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", b"rubbish\r\n\r\n"],
    ids=["nothing", "half a status line", "half a body", "rubbish"],
)
@each_write
def test_write_whose_connection_breaks_is_ambiguous(write: Operation, last_words: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(last_words)
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
            await write(over_loopback(server.sockets[0].getsockname()[1]))

    with pytest.raises(NetSuiteAmbiguous):
        asyncio.run(story())


# Logins


def bearer_login(server: ScriptedServer, clock: StoppedClock) -> OAuth2ClientCredentials:
    from tests.netsuite.test_netsuite_auth import EC_KEY

    http = httpx.AsyncClient(transport=httpx.ASGITransport(server))
    return OAuth2ClientCredentials(
        "1234567_SB1", BASE_URL, "client", "certificate", EC_KEY, MemoryTokenStore(), http, clock
    )


class Account(ScriptedServer):
    """Gives tokens T1, T2, ... and accepts those that the test says."""

    def __init__(self, *good_tokens: str, login: Answer | None = None) -> None:
        self.logins = 0

        def script(request: Request) -> Answer:
            if request.path.endswith("/oauth2/v1/token"):
                self.logins += 1
                return login or Answer(200, {"access_token": f"T{self.logins}", "expires_in": 3600})
            if request.headers["authorization"].removeprefix("Bearer ") not in good_tokens:
                return NO_LOGIN
            if request.method == "GET":
                return Answer(200, {"id": "7"})
            return created("salesorder", "70011")

        super().__init__(script)

    def calls(self) -> int:
        return len(self.requests) - self.logins


@pytest.mark.parametrize("operation", [READS["get"], WRITES["create"]], ids=["read", "write"])
def test_expired_token_is_renewed_once_and_the_request_repeated(operation: Operation) -> None:
    server, clock = Account("T2"), StoppedClock()
    result = outcome(server, operation, authenticator=bearer_login(server, clock), clock=clock)
    assert result in ({"id": "7"}, "70011")
    assert (server.logins, server.calls()) == (2, 2)


@pytest.mark.parametrize("operation", [READS["get"], WRITES["create"]], ids=["read", "write"])
def test_second_401_ends_it_and_nothing_is_sent_for_a_while(operation: Operation) -> None:
    server, clock = Account(), StoppedClock()

    async def story(client: NetSuiteClient) -> None:
        for _ in range(10):
            with pytest.raises(NetSuiteAuthenticationError):
                await operation(client)
        assert (server.logins, server.calls()) == (2, 2)
        clock.pass_(timedelta(minutes=2))
        with pytest.raises(NetSuiteAuthenticationError):
            await operation(client)
        assert server.calls() == 4

    asyncio.run(story(client_of(server, authenticator=bearer_login(server, clock), clock=clock)))


def test_refused_signature_is_sent_once_only() -> None:
    server = ScriptedServer([NO_LOGIN])
    assert isinstance(outcome(server, WRITES["create"]), NetSuiteAuthenticationError)
    assert len(server.requests) == 1


def test_many_writes_at_once_make_one_refused_login_only() -> None:
    server, clock = Account(login=Answer(400, {"error": "invalid_grant"})), StoppedClock()

    async def story(client: NetSuiteClient) -> list[Any]:
        return await asyncio.gather(*(WRITES["create"](client) for _ in range(20)), return_exceptions=True)

    errors = asyncio.run(story(client_of(server, authenticator=bearer_login(server, clock), clock=clock)))
    assert {type(error) for error in errors} == {NetSuiteAuthenticationError}
    assert (server.logins, server.calls()) == (1, 0)


def test_write_behind_an_unreachable_login_was_not_sent() -> None:
    server, clock = Account(login=Answer(503)), StoppedClock()
    login = bearer_login(server, clock)
    assert isinstance(outcome(server, WRITES["create"], authenticator=login, clock=clock), NetSuiteNotSent)
    assert isinstance(outcome(server, READS["get"], authenticator=login, clock=clock), NetSuiteTransient)
    assert server.calls() == 0


# The gate


class CountingGate:
    """One slot per lane; remembers what passed through."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.throttles = 0
        self.inside = 0

    @asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncIterator[None]:
        self.lanes.append(lane)
        self.inside += 1
        try:
            yield
        except Exception as error:
            self.throttles += bool(getattr(error, "throttled", False))
            raise
        finally:
            self.inside -= 1


def test_every_request_is_inside_a_slot_of_its_lane() -> None:
    gate = CountingGate()

    def answer(request: Request) -> Answer:
        assert gate.inside == 1
        return (
            created("x", "1") if request.method == "POST" and "record" in request.path else Answer(200, PAGE)
        )

    async def story(client: NetSuiteClient) -> None:
        await client.create("salesOrder", ORDER)
        await client.transform("salesOrder", "7", "invoice", {}, lane="finance")
        await client.get("salesOrder", "7", lane="urgent")
        await client.suiteql("SELECT 1")

    outcome(ScriptedServer(answer), story, gate=gate)
    assert gate.lanes == ["orders", "finance", "urgent", "bulk"]


def test_gate_learns_of_every_throttle_and_is_left_while_waiting() -> None:
    gate = CountingGate()
    server = ScriptedServer([TOO_MANY, TOO_MANY, Answer(200, PAGE)])
    outcome(server, READS["get"], gate=gate)
    assert (gate.lanes, gate.throttles) == (["orders"] * 3, 2)


def test_error_never_shows_the_body_or_a_credential() -> None:
    body = {"shippingAddress": {"addressee": "Jane Doe", "addrPhone": "15125550100"}}
    for answer in (problem(400, "USER_ERROR", "Please enter value(s) for: Subsidiary."), Answer(500)):
        server = ScriptedServer([answer])
        error = outcome(server, lambda client: client.create("salesOrder", body))
        shown = str(error) + repr(error) + str(vars(error))
        signature = server.requests[0].headers["authorization"]
        for secret in ("Jane", "15125550100", signature.rpartition('oauth_signature="')[2]):
            assert secret not in shown
