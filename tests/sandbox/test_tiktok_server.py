import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.tiktok_caller import UK, US, Caller, meet
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, AUTH_CODE, SHOPS
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.order_store import Filter
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.tiktok_calls import Call
from tiktok_ns_pipeline.sandbox.tiktok_server import ServerRules, signature_of, tiktok_app
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenRules
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World

SAMPLES = Path(__file__).parents[1] / "data" / "tiktok"
SEARCH = "/order/202309/orders/search"
ATTACH = "/order/202406/orders/external_orders"
PAGE = {"page_size": "100"}


# Gates (T 2.3, 11)


@pytest.mark.parametrize(
    "vector",
    json.loads((SAMPLES / "signing_vectors.json").read_text())["requests"],
    ids=lambda one: one["name"][:40],
)
def test_signatures_are_those_of_the_published_vectors(vector, monkeypatch):
    monkeypatch.setattr("tiktok_ns_pipeline.sandbox.tiktok_server.APP_SECRET", vector["app_secret"])
    body = (vector["body"] or "").encode()
    pairs = list(vector["query_before_signing"].items())
    call = Call(vector["method"], vector["path"], pairs, {"content-type": vector["content_type"]}, body)
    assert signature_of(call, body) == vector["sign"]


GATES = [
    # (what is wrong from here on, the answer of the first gate that it fails)
    ({"path": "/order/202309/nothing"}, (404, 36009009)),
    ({"path": "/order/202212/orders/search"}, (400, 36009014)),
    ({"method": "PUT"}, (405, 36009010)),
    ({"app_key": "other"}, (400, 36009004)),
    ({"timestamp": "-"}, (400, 36009004)),
    ({"sign": "-"}, (400, 36009004)),
    ({"sign": "0" * 64}, (400, 106001)),
    ({"token": ""}, (400, 36009004)),
    ({"token": "TTP_unknown"}, (401, 36009005)),
    ({"shop_cipher": "-"}, (400, 106013)),
    ({"shop_cipher": "GCP_other"}, (400, 36009004)),
    ({"query": {"page_size": "0"}}, (400, 36009004)),
]


@pytest.mark.parametrize(("wrong", "answer"), GATES, ids=lambda one: str(one)[:40])
def test_each_gate_refuses_with_its_code(wrong, answer):
    async def test(caller: Caller) -> None:
        call = {"method": "POST", "path": SEARCH, "query": PAGE, "body": {}} | wrong
        assert await caller.refusal(**call) == answer

    meet(test)


def test_gates_answer_in_their_order():
    async def test(caller: Caller) -> None:
        wrong: dict[str, Any] = {}
        for parts, answer in reversed(GATES):
            wrong = {"method": "POST", "path": SEARCH, "query": PAGE} | wrong | parts
            assert await caller.refusal(**wrong) == answer, wrong

    meet(test)


@pytest.mark.parametrize(("off", "accepted"), [(-299, True), (-302, False), (29, True), (32, False)])
def test_timestamps_are_good_from_five_minutes_ago_to_half_a_minute_ahead(off: int, accepted: bool):
    async def test(caller: Caller) -> None:
        # The caller lives on the base clock, wherever the world's clock was moved.
        caller.world.advance(86_400)
        stamp = str(int(caller.world.clock.base.now().timestamp()) + off)
        answer = await caller.send("POST", SEARCH, PAGE, {}, timestamp=stamp)
        assert (answer.json()["code"] == 0) is accepted

    meet(test)


def test_a_scope_that_was_not_granted_is_missing():
    async def test(caller: Caller) -> None:
        assert await caller.refusal("POST", SEARCH, PAGE, {}) == (403, 105005)
        assert "shops" in await caller.data("GET", "/authorization/202309/shops", shop=None)

    meet(test, token_rules=TokenRules(scopes=("seller.finance.info",)))


def test_a_cipher_where_none_is_wanted_is_refused():
    async def test(caller: Caller) -> None:
        shops = "/authorization/202309/shops"
        assert await caller.refusal("GET", shops) == (400, 36009004)
        told = (await caller.data("GET", shops, shop=None))["shops"]
        assert [(shop["id"], shop["cipher"]) for shop in told] == [(shop.id, shop.cipher) for shop in SHOPS]

    meet(test)


def test_refusals_may_all_come_with_http_200():
    async def test(caller: Caller) -> None:
        assert await caller.refusal("POST", SEARCH, PAGE, {}, sign="0") == (200, 106001)

    meet(test, rules=ServerRules(always_http_200=True))


def test_an_empty_object_may_be_signed_or_not():
    async def test(caller: Caller) -> None:
        now = int(caller.world.now().timestamp())
        call = Call(
            "POST",
            SEARCH,
            [("app_key", APP_KEY), ("timestamp", str(now)), ("shop_cipher", US.cipher), *PAGE.items()],
            {"content-type": "application/json"},
            b"{}",
        )
        for signed in (b"{}", b""):
            sign = signature_of(call, signed)
            assert (await caller.send("POST", SEARCH, PAGE, {}, sign=sign)).json()["code"] == 0

    meet(test)


def test_a_shop_that_asks_too_often_is_told_so_until_it_waits():
    async def test(caller: Caller) -> None:
        codes = [(await caller.send("POST", SEARCH, PAGE, {})).json()["code"] for _ in range(4)]
        assert codes == [0, 0, 0, 36009002]
        assert (await caller.send("POST", SEARCH, PAGE, {}, shop=UK)).json()["code"] == 0
        await asyncio.sleep(1)
        assert await caller.data("POST", SEARCH, PAGE, {}) is not None

    meet(test, rules=ServerRules(requests_per_second=1, burst=3))


# Tokens (T 1.2, 1.3)


def test_tokens_expire_by_the_worlds_clock_and_refresh_keeps_the_refresh_token():
    async def test(caller: Caller) -> None:
        code = caller.server.tokens.fresh_code()
        first = (await caller.token_call("get", auth_code=code, grant_type="authorized_code"))["data"]
        caller.token = first["access_token"]
        assert first["access_token_expire_in"] == int(caller.world.now().timestamp()) + 7 * 86_400
        caller.world.advance(7 * 86_400)
        assert await caller.refusal("POST", SEARCH, PAGE, {}) == (401, 105002)
        second = await caller.token_call(
            "refresh", refresh_token=first["refresh_token"], grant_type="refresh_token"
        )
        assert second["data"]["refresh_token"] == first["refresh_token"]
        caller.token = second["data"]["access_token"]
        assert await caller.data("POST", SEARCH, PAGE, {}) is not None

    meet(test)


def test_a_code_works_once_and_half_an_hour():
    async def test(caller: Caller) -> None:
        async def exchange(code: str) -> int:
            return (await caller.token_call("get", auth_code=code, grant_type="authorized_code"))["code"]

        assert [await exchange(AUTH_CODE), await exchange(AUTH_CODE)] == [0, 36004004]
        code = caller.server.tokens.fresh_code()
        caller.world.advance(1801)
        assert await exchange(code) == 36004004

    meet(test, log_in=False)


def test_a_refresh_token_runs_out_and_may_be_rotated():
    async def test(caller: Caller) -> None:
        async def refresh(token: str) -> dict[str, Any]:
            return await caller.token_call("refresh", refresh_token=token, grant_type="refresh_token")

        code = caller.server.tokens.fresh_code()
        old = (await caller.token_call("get", auth_code=code, grant_type="authorized_code"))["data"]
        new = (await refresh(old["refresh_token"]))["data"]
        assert new["refresh_token"] != old["refresh_token"]
        assert (await refresh(old["refresh_token"]))["code"] == 36004001
        caller.token = old["access_token"]
        assert await caller.refusal("POST", SEARCH, PAGE, {}) == (401, 36009005)
        caller.world.advance(366 * 86_400)
        assert (await refresh(new["refresh_token"]))["code"] == 36004001

    meet(test, token_rules=TokenRules(rotates_refresh_token=True, refresh_ends_access_token=True))


@pytest.mark.parametrize(
    "wrong", [{"app_secret": "x"}, {"app_key": "x"}, {"grant_type": "authorization_code"}]
)
def test_a_token_call_needs_key_secret_and_grant_type(wrong):
    async def test(caller: Caller) -> None:
        query = {"auth_code": AUTH_CODE, "grant_type": "authorized_code", **wrong}
        assert (await caller.token_call("get", **query))["code"] == 36009004

    meet(test, log_in=False)


# Order search (T 3.1)


async def all_pages(caller: Caller, query: dict[str, str], body: dict[str, Any]) -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        data = await caller.data("POST", SEARCH, query | ({"page_token": token} if token else {}), body)
        ids += [order["id"] for order in data.get("orders", [])]
        token = data.get("next_page_token", "")
        if not token:
            return ids


def test_pages_together_hold_the_list_once():
    async def test(caller: Caller) -> None:
        ids = caller.world.draw_orders(130)
        caller.world.advance(3 * 86_400)
        for order, direction in (("update_time", "ASC"), ("create_time", "DESC")):
            query = {"page_size": "17", "sort_field": order, "sort_order": direction}
            assert sorted(await all_pages(caller, query, {"update_time_ge": 0})) == sorted(ids)

    meet(test, mix=Mix.plain(shops={"us": 1}))


def test_time_windows_begin_inclusive_and_end_exclusive():
    async def test(caller: Caller) -> None:
        at = int(caller.world.now().timestamp())
        order_id = caller.world.place_order("us", ["SKU-001"])

        async def found(**window: int) -> bool:
            return bool(await all_pages(caller, PAGE, window))

        assert await found(update_time_ge=at)
        assert not await found(update_time_lt=at)
        assert await found(create_time_ge=at, create_time_lt=at + 1)
        assert not await found(create_time_ge=at + 1)
        await asyncio.sleep(100)
        caller.world.cancel_order(order_id)
        assert await found(update_time_ge=at + 100)
        assert not await found(create_time_ge=at + 100)

    meet(test)


def test_lists_are_filtered_by_status_shipping_buyer_and_warehouse():
    async def test(caller: Caller) -> None:
        held = caller.world.place_order("us", ["SKU-001"], status="ON_HOLD")
        ready = caller.world.place_order("us", ["SKU-001"], by_seller=False, warehouse_id=US.warehouses[1])
        assert await all_pages(caller, PAGE, {"order_status": "ON_HOLD"}) == [held]
        assert await all_pages(caller, PAGE, {"shipping_type": "TIKTOK"}) == [ready]
        assert await all_pages(caller, PAGE, {"warehouse_ids": [US.warehouses[1], "1"]}) == [ready]
        assert await all_pages(caller, PAGE, {"buyer_user_id": caller.world.order(held)["user_id"]}) == [held]
        assert await all_pages(caller, PAGE, {"is_buyer_request_cancel": True}) == []
        assert (await caller.data("POST", SEARCH, PAGE, {}, shop=UK)).get("total_count") == 0

    meet(test)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, {}),
        ({"page_size": "101"}, {}),
        ({"page_size": "ten"}, {}),
        ({**PAGE, "sort_field": "paid_time"}, {}),
        ({**PAGE, "sort_order": "asc"}, {}),
        ({**PAGE, "page_token": "nonsense"}, {}),
        ({**PAGE, "update_time_ge": "1"}, {}),
        (PAGE, {"update_time_ge": "1735603200"}),
        (PAGE, {"update_time_ge": 1.5}),
        (PAGE, {"update_time_ge": True}),
        (PAGE, {"order_status": "TO_SHIP"}),
        (PAGE, {"warehouse_ids": "1"}),
        (PAGE, {"warehouse_ids": ["1"] * 101}),
        (PAGE, {"is_buyer_request_cancel": "true"}),
        (PAGE, ["not an object"]),
    ],
)
def test_search_parameters_are_refused_when_wrong(query, body):
    async def test(caller: Caller) -> None:
        assert await caller.refusal("POST", SEARCH, query, body) == (400, 36009004)

    meet(test)


def test_page_tokens_are_awkward_and_bound_to_their_filters():
    async def test(caller: Caller) -> None:
        caller.world.draw_orders(9)
        query = {"page_size": "5", "sort_field": "update_time", "sort_order": "ASC"}
        token = (await caller.data("POST", SEARCH, query, {"update_time_ge": 0}))["next_page_token"]
        assert {"+", "/", "="} <= set(token)
        follow = {**query, "page_token": token}
        assert len((await caller.data("POST", SEARCH, follow, {"update_time_ge": 0}))["orders"]) == 4
        assert await caller.refusal("POST", SEARCH, follow, {"update_time_ge": 1}) == (400, 36009004)
        assert await caller.refusal(
            "POST", SEARCH, {**follow, "sort_order": "DESC"}, {"update_time_ge": 0}
        ) == (
            400,
            36009004,
        )
        assert await caller.refusal("POST", SEARCH, follow, {"update_time_ge": 0}, shop=UK) == (400, 36009004)

    meet(test, mix=Mix.plain(shops={"us": 1}))


def test_a_list_that_moves_while_it_is_paged_repeats_a_row():
    async def test(caller: Caller) -> None:
        first, second = (caller.world.place_order("us", [sku]) for sku in ("SKU-001", "SKU-002"))
        query = {"page_size": "1"}  # newest first
        page = await caller.data("POST", SEARCH, query, {})
        await asyncio.sleep(5)
        caller.world.place_order("us", ["SKU-003"])
        again = await caller.data("POST", SEARCH, {**query, "page_token": page["next_page_token"]}, {})
        assert [page["orders"][0]["id"], again["orders"][0]["id"]] == [second, second]
        assert first

    meet(test)


def test_duplicate_rows_and_stale_pages_come_by_fault():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        await asyncio.sleep(60)
        caller.world.cancel_order(order_id)
        caller.world.faults.inject(FaultKind.duplicate_rows, "tiktok")
        caller.world.faults.inject(FaultKind.stale_page, "tiktok")
        pages = [(await caller.data("POST", SEARCH, PAGE, {}))["orders"] for _ in range(3)]
        assert [order["id"] for order in pages[0]] == [order_id] * 3
        assert [order["status"] for page in pages[1:] for order in page] == ["AWAITING_SHIPMENT", "CANCELLED"]

    meet(test)


# Details, prices, references


def test_details_come_by_id_and_unknown_ids_are_missing():
    async def test(caller: Caller) -> None:
        ours = [caller.world.place_order("us", ["SKU-001"]) for _ in range(3)]
        theirs = caller.world.place_order("uk", ["SKU-001"])
        for version in ("202309", "202507"):
            path = f"/order/{version}/orders"
            data = await caller.data("GET", path, {"ids": ",".join([ours[2], "1", ours[0], theirs])})
            assert [order["id"] for order in data["orders"]] == [ours[2], ours[0]]
            assert await caller.data("GET", path, {"ids": "1"}) == {}
            assert await caller.refusal("GET", path, {"ids": theirs}) == (200, 21008111)
            assert await caller.refusal("GET", path, {}) == (400, 36009004)
            many = ",".join(str(number) for number in range(51))
            assert await caller.refusal("GET", path, {"ids": many}) == (400, 36009004)

    meet(test)


def test_price_detail_is_the_shops_own_orders_only():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001", "SKU-001"])
        path = f"/order/202407/orders/{order_id}/price_detail"
        data = await caller.data("GET", path)
        order = caller.world.order(order_id)
        assert data["sku_list_price"] == order["payment"]["original_total_product_price"]
        assert [line["id"] for line in data["line_items"]] == [line["id"] for line in order["line_items"]]
        assert await caller.refusal("GET", path, shop=UK) == (200, 21008111)

    meet(test)


def test_external_references_are_kept_replaced_found_and_partly_refused():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        line_id = caller.world.order(order_id)["line_items"][0]["id"]

        def reference(order: str, number: str, line: str = line_id) -> dict[str, Any]:
            lines = [{"id": "1", "origin_id": line}]
            return {
                "id": order,
                "external_order": {"id": number, "platform": "ERP_SYSTEM", "line_items": lines},
            }

        wanted = [reference(order_id, "SO1"), reference("5", "SO2"), reference(order_id, "SO3", "6")]
        errors = (await caller.data("POST", ATTACH, body={"orders": wanted}))["errors"]
        assert [error["detail"]["external_order"]["id"] for error in errors] == ["SO2", "SO3"]
        assert {error["code"] for error in errors} == {"36020001"}
        assert await caller.data("POST", ATTACH, body={"orders": [reference(order_id, "SO9")]}) == {}
        platform = {"platform": "ERP_SYSTEM"}
        path = f"/order/202406/orders/{order_id}/external_orders"
        (kept,) = (await caller.data("GET", path, platform))["external_orders"]
        assert (kept["id"], kept["line_items"]) == ("SO9", [{"id": "1", "origin_id": line_id}])
        search = "/order/202406/orders/external_order_search"
        found = await caller.data("POST", search, {**platform, "external_order_id": "SO9"})
        assert found["orders"][0]["id"] == order_id
        assert await caller.data("POST", search, {**platform, "external_order_id": "SO1"}) == {}
        assert await caller.data("GET", path, {"platform": "SHOPIFY"}) == {}

    meet(test)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"orders": []},
        {"orders": [{}]},
        {"orders": [{"id": 5}]},
        {"orders": [None] * 101},
        {"orders": "x"},
    ],
)
def test_malformed_references_are_refused_whole(body):
    async def test(caller: Caller) -> None:
        assert await caller.refusal("POST", ATTACH, body=body) == (400, 36009004)

    meet(test)


# Faults


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.http_429, 429, 36009002),
        (FaultKind.http_500_before, 500, 36009003),
        (FaultKind.http_503, 503, 36009003),
        (FaultKind.unauthorized, 401, 105002),
        (FaultKind.http_500_after, 500, 36009003),
        (FaultKind.timeout_before_commit, 504, 36009007),
        (FaultKind.timeout_after_commit, 504, 36009007),
    ],
)
def test_faults_answer_as_the_gateway_would(kind, status, code):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        external = {"id": "SO1", "platform": "ERP_SYSTEM", "line_items": []}
        caller.world.faults.inject(kind, "tiktok", match="external_orders")
        began = caller.world.now()
        answer = await caller.refusal(
            "POST", ATTACH, body={"orders": [{"id": order_id, "external_order": external}]}
        )
        assert answer == (status, code)
        saved = bool(caller.world.store.references(order_id, "ERP_SYSTEM"))
        assert saved is ("after" in kind)
        assert (caller.world.now() - began == timedelta(seconds=120)) is ("timeout" in kind)

    meet(test)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.refuse, httpx.ConnectError),
        (FaultKind.cut_before_commit, httpx.RemoteProtocolError),
        (FaultKind.cut_after_commit, httpx.RemoteProtocolError),
    ],
)
def test_some_faults_leave_no_answer(kind, error):
    async def test(caller: Caller) -> None:
        caller.world.faults.inject(kind, "tiktok")
        with pytest.raises(error):
            await caller.send("POST", ATTACH, body={"orders": []})

    meet(test)


def test_a_delay_and_a_page_of_html():
    async def test(caller: Caller) -> None:
        caller.world.faults.inject(FaultKind.delay, "tiktok")
        began = caller.world.now()
        await caller.data("POST", SEARCH, PAGE, {})
        assert caller.world.now() > began
        caller.world.faults.inject(FaultKind.html_body, "tiktok")
        answer = await caller.send("POST", SEARCH, PAGE, {})
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")

    meet(test)


def test_a_plan_of_ones_own_can_be_given_to_the_server():
    plan = FaultPlan(rates={("tiktok", FaultKind.http_503): 1.0})
    assert tiktok_app(World(clock=VirtualClock()), plan).faults is plan


def test_half_a_surrogate_pair_leaves_as_an_escape():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        caller.world.mutate(order_id, lambda order: order.update(buyer_message="\ud83d \u0000"))
        answer = await caller.send("GET", "/order/202507/orders", {"ids": order_id})
        assert answer.json()["data"]["orders"][0]["buyer_message"] == "\ud83d \u0000"

    meet(test)


def test_a_large_world_is_paged_cheaply():
    async def test(caller: Caller) -> None:
        caller.world.draw_orders(1500)
        query = {"page_size": "100", "sort_field": "update_time", "sort_order": "ASC"}
        assert (
            len(await all_pages(caller, query, {})) == caller.world.store.page(Filter("us"), 0, 1, 2**40)[1]
        )

    meet(test, mix=Mix())
