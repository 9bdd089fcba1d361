"""How the client asks, and what it makes of the answers (T 1-3)."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from tests.tiktok.scripted_shop import (
    ACCOUNT,
    APP,
    NOW,
    SHOP,
    Asked,
    Rig,
    cutting_server,
    envelope,
    ok,
    outcome,
    refusal,
    rig,
    tokens,
)
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.client import ExternalOrderReference, OrderPage, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import (
    PartialFailure,
    TikTokAmbiguous,
    TikTokAuthenticationError,
    TikTokError,
    TikTokPermissionError,
    TikTokRefused,
    TikTokThrottled,
    TikTokTransient,
    TikTokUnknownError,
    WireError,
)

_TOKEN = "6AsPQsUMvH3RkchNUPPh22NROHkE0D8pmq/N5M1kHYcZmtRyv9aVrNv65W7Q6tFA+7D1=="
_REFERENCE = ExternalOrderReference("5764", "tts-us-so-5764", (("1", "5770"),))
_SINCE, _UNTIL = from_epoch(1735603200), from_epoch(1735689600)


async def _pages(client: TikTokClient, **options: Any) -> list[OrderPage]:
    options.setdefault("update_time_ge", _SINCE)
    return [page async for page in client.search_orders(SHOP, **options)]


async def _read(client: TikTokClient) -> Any:
    return await client.external_orders(SHOP, "5764")


async def _write(client: TikTokClient) -> Any:
    return await client.attach_external_orders(SHOP, [_REFERENCE])


def test_a_search_sends_integers_in_the_body_and_the_rest_in_the_query() -> None:
    pages, made = outcome(lambda client: _pages(client, update_time_lt=_UNTIL), ok({"orders": []}))
    (asked,) = made.shop.asked
    assert [page.orders for page in pages] == [[]]
    assert (asked.method, asked.path) == ("POST", "/order/202309/orders/search")
    assert asked.body == b'{"update_time_ge":1735603200,"update_time_lt":1735689600}'
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-tts-access-token"] == "ROW_access_1"
    sign = asked.query.pop("sign")
    assert len(sign) == 64
    assert asked.query == {
        "app_key": APP.app_key,
        "timestamp": str(int(NOW.timestamp())),
        "shop_cipher": SHOP.cipher,
        "page_size": "100",
        "sort_field": "update_time",
        "sort_order": "ASC",
    }


def test_a_search_can_be_for_one_status() -> None:
    _, made = outcome(
        lambda client: _pages(client, update_time_ge=None, order_status="AWAITING_SHIPMENT"), ok({})
    )
    assert made.shop.asked[0].body == b'{"order_status":"AWAITING_SHIPMENT"}'


def test_a_page_token_goes_back_as_it_came_and_is_encoded_once() -> None:
    first, last = (
        {"orders": [{"id": "1"}], "next_page_token": _TOKEN, "total_count": 2},
        {"orders": [{"id": "2"}]},
    )
    pages, made = outcome(_pages, ok(first), ok(last))
    assert [(page.next_page_token, page.total_count) for page in pages] == [(_TOKEN, 2), ("", None)]
    again = made.shop.asked[1]
    assert again.query["page_token"] == _TOKEN
    assert (
        "page_token=6AsPQsUMvH3RkchNUPPh22NROHkE0D8pmq%2FN5M1kHYcZmtRyv9aVrNv65W7Q6tFA%2B7D1%3D%3D"
        in again.raw_query
    )
    assert again.body == made.shop.asked[0].body, "same filters on every page"


@pytest.mark.parametrize("end", [{}, {"next_page_token": ""}, {"next_page_token": None}, {"orders": None}])
def test_paging_ends_where_no_token_comes(end: dict[str, Any]) -> None:
    pages, _ = outcome(_pages, ok(end))
    assert [page.orders for page in pages] == [[]]


@pytest.mark.parametrize("order_id", ["1", None, ["1"]])
def test_a_page_that_leads_to_itself_is_refused(order_id: Any) -> None:
    failure, made = outcome(_pages, ok({"orders": [{"id": order_id}], "next_page_token": "A"}))
    assert isinstance(failure, TikTokUnknownError)
    assert len(made.shop.asked) == 2


def test_a_search_without_filters_sends_no_body() -> None:
    _, made = outcome(lambda client: _pages(client, update_time_ge=None), ok({}))
    assert made.shop.asked[0].body == b""


def test_numbers_of_the_answer_stay_exact_and_unread_keys_stay() -> None:
    order = '{"id":"1","x":0.10,"new_key":{"a":123456789012345678901}}'
    pages, _ = outcome(_pages, Response(f'{{"code":0,"data":{{"orders":[{order}]}}}}'))
    (order,) = pages[0].orders
    assert (order["x"], str(order["x"])) == (Decimal("0.10"), "0.10")
    assert order["new_key"] == {"a": 123456789012345678901}


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 01 Sep 2026 12:00:07 GMT", datetime(2026, 9, 1, 12, 0, 7, tzinfo=UTC)),
        ("yesterday", NOW),
        ("", NOW),
    ],
)
def test_a_page_is_read_at_the_servers_time_or_else_ours(date: str, expected: datetime) -> None:
    pages, _ = outcome(_pages, envelope({"code": 0, "data": {}}, headers={"date": date}))
    assert pages[0].read_at == expected


def test_authorized_shops_are_asked_without_a_cipher() -> None:
    row = {
        "id": 7000714532876273420,
        "cipher": "GCP_+/=",
        "code": "C",
        "region": "GB",
        "seller_type": "LOCAL",
    }
    shops, made = outcome(lambda client: client.authorized_shops(), ok({"shops": [row]}))
    assert "shop_cipher" not in made.shop.asked[0].query
    assert (shops[0].shop_id, shops[0].cipher, shops[0].name) == ("7000714532876273420", "GCP_+/=", "")
    assert "GCP_" not in repr(shops)


def test_a_shop_without_a_cipher_is_refused_by_name() -> None:
    with pytest.raises(WireError, match=r"shop 7000.*cipher is missing"):
        outcome(lambda client: client.authorized_shops(), ok({"shops": [{"id": "7000"}]}))


def test_details_come_fifty_a_call_each_id_once_in_one_parameter() -> None:
    ids = [str(number) for number in range(120)] + ["7"]
    pages, made = outcome(lambda client: client.order_details(SHOP, ids), ok({"orders": [{"id": "1"}]}))
    assert len(pages) == 3
    assert [len(asked.query["ids"].split(",")) for asked in made.shop.asked] == [50, 50, 20]


def test_a_strangers_order_does_not_hide_the_others_of_its_batch() -> None:
    async def answer(asked: Asked) -> Response:
        ids = asked.query["ids"].split(",")
        return refusal(21008111) if "5" in ids else ok({"orders": [{"id": number} for number in ids]})

    ids = [str(number) for number in range(8)]
    pages, _ = outcome(lambda client: client.order_details(SHOP, ids), answer)
    assert [order["id"] for page in pages for order in page.orders] == ["0", "1", "2", "3", "4", "6", "7"]


def test_a_price_detail_names_its_order_in_the_path() -> None:
    detail, made = outcome(
        lambda client: client.price_detail(SHOP, "576461413038785752"), ok({"total": "1.00"})
    )
    assert detail == {"total": "1.00"}
    assert made.shop.asked[0].path == "/order/202407/orders/576461413038785752/price_detail"
    assert made.shop.asked[0].body == b""


def test_external_references_go_as_an_erp_system_and_failures_in_part_come_back() -> None:
    error = {"code": 36020001, "message": "Invalid order_id", "detail": {"order_id": "5764"}}
    failures, made = outcome(_write, ok({"errors": [error]}))
    assert failures == [PartialFailure("36020001", "Invalid order_id", {"order_id": "5764"})]
    assert json.loads(made.shop.asked[0].body) == {
        "orders": [
            {
                "id": "5764",
                "external_order": {
                    "id": "tts-us-so-5764",
                    "platform": "ERP_SYSTEM",
                    "line_items": [{"id": "1", "origin_id": "5770"}],
                },
            }
        ]
    }


@pytest.mark.parametrize("data", [None, {}, {"errors": []}, {"errors": None}])
def test_references_taken_whole_leave_no_failures(data: Any) -> None:
    failures, _ = outcome(_write, ok(data))
    assert failures == []


def test_more_references_than_a_call_takes_are_refused_before_it_and_none_need_no_call() -> None:
    with pytest.raises(ValueError, match="101 references"):
        outcome(lambda client: client.attach_external_orders(SHOP, [_REFERENCE] * 101), ok())
    result, made = outcome(lambda client: client.attach_external_orders(SHOP, []), ok())
    assert result == []
    assert made.shop.asked == []


def test_of_an_order_with_more_lines_than_a_call_takes_the_first_hundred_are_named() -> None:
    lines = tuple((str(number), str(number)) for number in range(150))
    reference = ExternalOrderReference("5764", "tts-us-so-5764", lines)
    _, made = outcome(lambda client: client.attach_external_orders(SHOP, [reference]), ok())
    sent = json.loads(made.shop.asked[0].body)["orders"][0]["external_order"]["line_items"]
    assert [line["id"] for line in sent] == [str(number) for number in range(100)]


def test_external_references_are_found_by_order_and_by_our_number() -> None:
    found, made = outcome(_read, ok({"external_orders": [{"id": "X"}]}))
    assert found == [{"id": "X"}]
    assert made.shop.asked[0].query["platform"] == "ERP_SYSTEM"
    found, made = outcome(
        lambda client: client.search_external_order(SHOP, "tts-us-so-5764"), ok({"orders": [{"id": "5764"}]})
    )
    assert found == [{"id": "5764"}]
    asked = made.shop.asked[0]
    assert (asked.method, asked.query["external_order_id"], asked.body) == ("POST", "tts-us-so-5764", b"")


@pytest.mark.parametrize("http_status", [200, 400])
def test_an_error_tells_endpoint_shop_code_request_and_what_to_do(http_status: int) -> None:
    failure, _ = outcome(_read, refusal(105005, http_status, "Access denied."))
    assert isinstance(failure, TikTokPermissionError)
    assert (failure.code, failure.request_id, failure.http_status) == (105005, "R-refused", http_status)
    text = str(failure)
    for part in ("external_orders", "USLC1", "105005", "R-refused", "Access denied.", "scope", "authorize"):
        assert part in text


def test_a_code_of_success_counts_whatever_the_status() -> None:
    found, _ = outcome(_read, envelope({"code": 0, "data": {"external_orders": [{"id": "X"}]}}, 400))
    assert found == [{"id": "X"}]


_THROTTLES = [refusal(36009002, 429), refusal(36009002), refusal(36009037, 429), Response("slow down", 429)]
_PASSING = [
    refusal(36009003),
    refusal(36009007, 504),
    refusal(10037002),
    Response("<html>maintenance</html>", 503),
    Response("<html>oops</html>", 500),
    Response("<html>welcome</html>", 200),
    Response(b"\xff\xfe", 200),
    Response("", 200),
    Response("[1]", 200),
    envelope({"message": "no code"}),
    envelope({"code": True}),
    envelope({"code": None}),
]


@pytest.mark.parametrize("answer", [*_THROTTLES, *_PASSING])
def test_a_read_is_repeated_until_it_succeeds(answer: Response) -> None:
    found, made = outcome(_read, answer, answer, ok({"external_orders": [{"id": "X"}]}))
    assert found == [{"id": "X"}]
    assert len(made.shop.asked) == 3


def test_a_read_gives_up_after_five_tries() -> None:
    failure, made = outcome(_read, refusal(36009003))
    assert isinstance(failure, TikTokTransient)
    assert len(made.shop.asked) == 5


@pytest.mark.parametrize("answer", _THROTTLES)
def test_a_throttled_write_is_not_repeated_here_and_slows_the_shop_down(answer: Response) -> None:
    failure, made = outcome(_write, answer)
    assert isinstance(failure, TikTokThrottled)
    assert failure.throttled
    assert len(made.shop.asked) == 1
    assert made.limiter.per_second(f"{APP.app_key}/{SHOP.shop_id}") == 500


@pytest.mark.parametrize("answer", _PASSING)
def test_a_write_with_a_passing_failure_is_ambiguous_and_sent_once(answer: Response) -> None:
    failure, made = outcome(_write, answer)
    assert isinstance(failure, TikTokAmbiguous)
    assert "look before sending it again" in str(failure)
    assert len(made.shop.asked) == 1


def test_a_wait_that_the_server_names_is_kept() -> None:
    async def run() -> float:
        answers = refusal(36009002, 429, headers={"retry-after": "1"}), ok({})
        async with rig(*answers) as made:
            started = asyncio.get_running_loop().time()
            await _read(made.client)
            return asyncio.get_running_loop().time() - started

    assert asyncio.run(run()) >= 0.99


@pytest.mark.parametrize("code", [36009004, 106013, 98001004, 21001001])
def test_a_refusal_is_not_repeated(code: int) -> None:
    failure, made = outcome(_read, refusal(code))
    assert isinstance(failure, TikTokRefused)
    assert len(made.shop.asked) == 1


@pytest.mark.parametrize("call", [_read, _write])
def test_an_expired_token_is_refreshed_once_and_the_call_made_once_more(call: Any) -> None:
    fresh = ok({"access_token": "ROW_access_2", "access_token_expire_in": 604800})
    result, made = outcome(call, refusal(105002, 401), fresh, ok({}))
    assert result == []
    assert [asked.path.split("/")[-1] for asked in made.shop.asked][1] == "refresh"
    assert [asked.headers.get("x-tts-access-token") for asked in made.shop.asked] == [
        "ROW_access_1",
        None,
        "ROW_access_2",
    ]


def test_a_token_that_stays_expired_after_a_refresh_is_an_authentication_error() -> None:
    fresh = ok({"access_token": "ROW_access_2", "access_token_expire_in": 604800})
    failure, made = outcome(_read, refusal(105002), fresh, refusal(105002))
    assert isinstance(failure, TikTokAuthenticationError)
    assert len(made.shop.asked) == 3


def test_a_token_replaced_by_another_process_is_read_again() -> None:
    async def run() -> list[str | None]:
        async def replaced_meanwhile(asked: Asked) -> Response:
            made.store.save(ACCOUNT, tokens("ROW_other_process"))
            return refusal(36009005, 401)

        async with rig(replaced_meanwhile, ok({})) as made:
            await _read(made.client)
            return [asked.headers.get("x-tts-access-token") for asked in made.shop.asked]

    assert asyncio.run(run()) == ["ROW_access_1", "ROW_other_process"]


@pytest.mark.parametrize("code", [105001, 105004, 101000, 36009005, 106001])
def test_a_login_that_is_not_accepted_is_not_tried_again(code: int) -> None:
    failure, made = outcome(_read, refusal(code, 401))
    assert isinstance(failure, TikTokAuthenticationError)
    assert len(made.shop.asked) == 1


async def _hang(asked: Asked) -> Response:
    await asyncio.sleep(5)
    return ok({})


@pytest.mark.parametrize(
    ("call", "expected", "times"), [(_write, TikTokAmbiguous, 1), (_read, TikTokTransient, 5)]
)
def test_no_answer_in_time_is_ambiguous_for_a_write_and_passing_for_a_read(
    call: Any, expected: type[TikTokError], times: int
) -> None:
    failure, made = outcome(call, _hang, timeout_s=0.05)
    assert type(failure) is expected
    assert (failure.code, failure.http_status) == (None, None)
    assert len(made.shop.asked) == times


_CUT = [b"", b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"code":0', b"not HTTP at all\r\n\r\n"]


@asynccontextmanager
async def _real_http(made: Rig, url: str) -> AsyncIterator[TikTokClient]:
    async with httpx.AsyncClient() as http:
        yield TikTokClient(APP, made.login, http, api_base_url=url, timeout_s=2, limiter=made.limiter)


@pytest.mark.parametrize("reply", _CUT)
@pytest.mark.parametrize(("call", "expected"), [(_write, TikTokAmbiguous), (_read, TikTokTransient)])
def test_a_broken_connection_is_ambiguous_for_a_write_and_passing_for_a_read(
    reply: bytes, call: Any, expected: type[TikTokError]
) -> None:
    async def run() -> None:
        async with rig(ok()) as made, cutting_server(reply) as url, _real_http(made, url) as client:
            with pytest.raises(TikTokError) as caught:
                await call(client)
            assert type(caught.value) is expected

    asyncio.run(run())


@pytest.mark.parametrize("call", [_read, _write])
def test_without_a_connection_nothing_was_sent_so_even_a_write_may_be_repeated(call: Any) -> None:
    async def run() -> None:
        async with cutting_server(b"") as url:
            closed = url
        async with rig(ok()) as made, _real_http(made, closed) as client:
            with pytest.raises(TikTokTransient, match="nothing was sent"):
                await call(client)

    asyncio.run(run())


def test_no_error_knows_a_secret_or_an_url() -> None:
    async def run() -> TikTokError:
        leaky = f"bad token ROW_access_1 of {SHOP.cipher} and {APP.app_secret}"
        async with rig(refusal(36009004, 400, leaky)) as made, cutting_server(b"") as url:
            with pytest.raises(TikTokRefused) as refused:
                await _write(made.client)
            _assert_no_secret(refused.value)
            async with _real_http(made, url) as client:
                with pytest.raises(TikTokAmbiguous) as broken:
                    await _write(client)
            return broken.value

    failure = asyncio.run(run())
    _assert_no_secret(failure)
    assert failure.__cause__ is None
    assert failure.__context__ is None


def _assert_no_secret(failure: TikTokError) -> None:
    text = "".join(traceback.format_exception(failure)) + repr(failure) + repr(vars(failure))
    for secret in ("ROW_access_1", APP.app_secret, SHOP.cipher, "sign="):
        assert secret not in text


def test_no_log_record_knows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    outcome(_read, refusal(105002), ok({"access_token": "ROW_access_2"}), ok({}))
    assert "/order/202406/orders/5764/external_orders" in caplog.text
    for secret in (APP.app_secret, "ROW_access", "ROW_refresh", "GCP_US", "sign="):
        assert secret not in caplog.text


def test_each_request_passes_the_gate_in_its_lane_and_the_gate_sees_the_throttle() -> None:
    class RecordingGate:
        def __init__(self) -> None:
            self.seen: list[tuple[Lane, bool]] = []

        @asynccontextmanager
        async def slot(self, lane: Lane) -> AsyncIterator[None]:
            try:
                yield
            except TikTokError as failure:
                self.seen.append((lane, failure.throttled))
                raise
            self.seen.append((lane, False))

    gate = RecordingGate()

    async def run() -> None:
        async with rig(refusal(36009002, 429), ok({})) as made:
            http = httpx.AsyncClient(transport=httpx.ASGITransport(made.shop.app()))
            client = TikTokClient(
                APP, made.login, http, gate=gate, api_base_url="http://api.shop.test", limiter=made.limiter
            )
            await client.external_orders(SHOP, "5764", lane="urgent")

    asyncio.run(run())
    assert gate.seen == [("urgent", True), ("urgent", False)]


@pytest.mark.parametrize("data", [[], "text", 7, {"errors": "no list"}])
def test_data_of_another_kind_under_code_0_is_reported(data: Any) -> None:
    failure, _ = outcome(_read, ok(data))
    assert isinstance(failure, TikTokUnknownError)


@pytest.mark.parametrize("rows", ["text", [1], {"id": "1"}])
def test_rows_that_are_no_objects_are_refused(rows: Any) -> None:
    failure, _ = outcome(_pages, ok({"orders": rows}))
    assert isinstance(failure, TikTokUnknownError)
    assert "data.orders" in str(failure)
