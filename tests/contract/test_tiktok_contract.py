"""The simulated TikTok Shop over loopback HTTP, met by a client that we did not write and by ours.

`tiktok_shop_api` (PyPI) signs, sends and parses by itself. Every call that the pipeline makes is made
with it, its models parse every answer, and what it read is compared with what our client read.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tiktok_shop_api import TikTokShop, TikTokShopError
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, SHOPS
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.tiktok.client import ExternalOrderReference, ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAmbiguous,
    TikTokAuthenticationError,
    TikTokError,
    TikTokPermissionError,
    TikTokRefused,
    TikTokThrottled,
    TikTokTransient,
)
from tiktok_ns_pipeline.tiktok.models import Order, PriceDetail

_SEARCH = "POST /order/202309/orders/search"
_ATTACH = "POST /order/202406/orders/external_orders"
_REGIONS = pytest.mark.parametrize("region", [shop.region for shop in SHOPS])
_DAYS = 86_400


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with running_sandbox(SandboxOptions(seed=11, hang_s=0.6)) as running:
        world = running.sandbox.world
        world.draw_orders(400)
        world.advance(3 * _DAYS)
        world.draw_orders(60)
        world.advance(4_000)
        world.draw_orders(60)
        world.advance(60)  # a fresh order may be missing from lists for half a minute
        world.store.database.execute("DELETE FROM events")  # and from now on the world stands still
        yield Market(running.urls.tiktok, running.sandbox.tiktok, world)


# Tokens


def test_the_foreign_client_buys_and_refreshes_tokens(market: Market) -> None:
    bought = market.desk().exchange_code(market.server.tokens.fresh_code())
    renewed = market.desk().refresh(bought.refresh_token)
    assert renewed.access_token != bought.access_token
    life = renewed.access_token_expire_in - market.world.now().timestamp()
    assert life == pytest.approx(7 * _DAYS, abs=5)
    assert (bought.user_type, bought.seller_base_region) == (0, "US")
    assert "seller.order.info" in (bought.granted_scopes or [])


def test_a_code_works_once(market: Market) -> None:
    code = market.server.tokens.fresh_code()
    market.desk().exchange_code(code)
    with pytest.raises(TikTokShopError) as caught:
        market.desk().exchange_code(code)
    assert caught.value.code == 36004004
    assert caught.value.request_id


@pytest.mark.parametrize("call", ["exchange", "refresh"])
def test_what_is_no_code_and_no_refresh_token_buys_nothing(market: Market, call: str) -> None:
    with pytest.raises(TikTokShopError) as caught:
        _ = market.desk().exchange_code("x") if call == "exchange" else market.desk().refresh("x")
    assert caught.value.code == {"exchange": 36004004, "refresh": 36004001}[call]


def test_an_access_token_that_ran_out_is_refreshed_by_our_client_only(market: Market) -> None:
    foreign = market.foreign()

    async def twice(client: TikTokClient) -> list[Any]:
        before = await client.authorized_shops()
        market.server.tokens.expire_access_tokens()
        return [before, await client.authorized_shops()]

    before, after = market.ours(twice)
    assert before == after
    with pytest.raises(TikTokShopError) as caught:
        foreign.authorization.get_authorized_shops()
    assert caught.value.code == 105002


def test_an_ended_refresh_token_asks_for_a_new_consent(market: Market) -> None:
    async def after_the_end(client: TikTokClient) -> Any:
        market.server.tokens.expire_access_tokens()
        market.server.tokens.expire_refresh_tokens()
        return await client.authorized_shops()

    with pytest.raises(TikTokAuthenticationError, match="authorize the app again"):
        market.ours(after_the_end)


# Shops


def test_both_clients_read_the_same_shops(market: Market) -> None:
    read = market.foreign().authorization.get_authorized_shops()
    assert isinstance(read, sdk.GetAuthorizedShopsResponse)
    theirs = {shop["id"]: shop for shop in read.to_dict()["data"]["shops"]}
    ours = market.ours(lambda client: client.authorized_shops())
    assert [shop.region for shop in ours] == ["US", "GB", "VN"]
    for shop in ours:
        assert theirs[shop.shop_id] == {
            "id": shop.shop_id,
            "cipher": shop.cipher,
            "code": shop.code,
            "name": shop.name,
            "region": shop.region,
            "seller_type": shop.seller_type,
        }


# Orders


@_REGIONS
def test_the_foreign_client_pages_through_every_order_and_its_models_parse_each(
    market: Market, region: str
) -> None:
    listing = market.foreign(region).orders
    request = sdk.GetOrderListRequest(update_time_ge=1, update_time_lt=4_000_000_000)
    options: dict[str, Any] = {}
    theirs: list[dict[str, Any]] = []
    while True:
        page = listing.get_order_list(
            body=request,
            page_size=20,
            sort_field=sdk.GetOrderListSortField.UPDATE_TIME,
            sort_order=sdk.GetOrderListSortOrder.ASC,
            **options,
        )
        assert page
        data = page.to_dict()["data"]
        theirs += data["orders"]
        assert data["total_count"] == len(market.placed(region))
        if not data.get("next_page_token"):
            break
        assert set("+/=") & set(data["next_page_token"]), "a token that has to be encoded"
        options = {"page_token": data["next_page_token"]}
    assert {order["id"] for order in theirs} == market.placed(region)
    assert len(theirs) == len(market.placed(region)) > 40
    ours = {order["id"]: order for order in market.orders(region, page_size=33)}
    assert {order["id"]: stated(order) for order in theirs} == {key: stated(raw) for key, raw in ours.items()}


@_REGIONS
def test_our_models_read_every_order_in_every_status(market: Market, region: str) -> None:
    statuses: set[str] = set()
    for raw in market.orders(region):
        order = Order.parse(raw)
        statuses.add(order.status)
        assert order.payment is not None
        assert order.payment.original_total_product_price is not None
        assert order.line_items
        assert all(line.original_price is not None for line in order.line_items)
        assert order.create_time is not None
        if order.status in ("UNPAID", "ON_HOLD"):
            assert order.recipient_address is None
    assert {"UNPAID", "ON_HOLD", "AWAITING_SHIPMENT", "CANCELLED", "IN_TRANSIT"} <= statuses


def test_orders_are_read_at_the_worlds_time(market: Market) -> None:
    async def first(client: TikTokClient) -> Any:
        return await anext(client.search_orders(market.access("US"), update_time_ge=None))

    page = market.ours(first)
    assert abs((page.read_at - market.world.now()).total_seconds()) < 5
    assert page.total_count == len(market.placed("US"))


@_REGIONS
@pytest.mark.parametrize("way", ["one parameter", "repeated"])
def test_the_foreign_client_reads_details_and_its_models_parse_each(
    market: Market, region: str, way: str
) -> None:
    ids = market.ids(region)[:40]
    asked = [",".join(ids)] if way == "one parameter" else ids
    read = market.foreign(region).orders.get_order_detail(ids=asked)
    assert isinstance(read, sdk.GetOrderDetailResponse)
    assert [order["id"] for order in read.to_dict()["data"]["orders"]] == ids


def test_our_client_reads_details_beyond_a_batch_and_leaves_out_what_is_unknown(market: Market) -> None:
    ids = market.ids("US")
    wanted = [*ids[:75], "576000000000000000", *ids[75:]]
    pages = market.ours(lambda client: client.order_details(market.access("US"), wanted))
    assert [order["id"] for page in pages for order in page.orders] == ids
    foreign_order = market.ids("GB")[0]
    pages = market.ours(lambda client: client.order_details(market.access("US"), [foreign_order]))
    assert [order for page in pages for order in page.orders] == []


@_REGIONS
def test_both_clients_read_the_price_detail_of_every_kind_of_order(market: Market, region: str) -> None:
    foreign = market.foreign(region).orders
    orders = {raw["id"]: raw for raw in market.orders(region)[::3]}

    async def details(client: TikTokClient) -> dict[str, Any]:
        access = market.access(region)
        return {order_id: await client.price_detail(access, order_id) for order_id in orders}

    for order_id, ours in market.ours(details).items():
        read = foreign.get_order_price_details(order_id=order_id)
        assert isinstance(read, sdk.GetOrderPriceDetailsResponse)
        assert stated(read.to_dict()["data"]) == stated(ours)
        detail = PriceDetail.parse(ours, order_id)
        assert {line.id for line in detail.line_items} <= {
            line["id"] for line in orders[order_id]["line_items"]
        }
        assert detail.total is not None


# External references


def _reference(order: dict[str, Any], number: str) -> ExternalOrderReference:
    lines = tuple((f"{index}", line["id"]) for index, line in enumerate(order["line_items"], 1))
    return ExternalOrderReference(order["id"], number, lines)


def test_a_number_that_our_client_attached_is_found_by_the_foreign_one(market: Market) -> None:
    order = market.orders("US")[3]
    access = market.access("US")
    reference = _reference(order, "SO-1003")
    assert market.ours(lambda client: client.attach_external_orders(access, [reference])) == []
    foreign = market.foreign("US").orders
    read = foreign.get_external_order_references(
        order_id=order["id"], platform=sdk.GetExternalOrderReferencesPlatform.ERP_SYSTEM
    )
    assert isinstance(read, sdk.GetExternalOrderReferencesResponse)
    (stored,) = read.to_dict()["data"]["external_orders"]
    assert (stored["id"], stored["platform"]) == ("SO-1003", "ERP_SYSTEM")
    assert [line["origin_id"] for line in stored["line_items"]] == [
        line["id"] for line in order["line_items"]
    ]
    found = foreign.search_orders_by_external_order_reference(
        platform=sdk.SearchOrdersByExternalOrderReferencePlatform.ERP_SYSTEM, external_order_id="SO-1003"
    )
    assert isinstance(found, sdk.SearchOrdersByExternalOrderReferenceResponse)
    assert [one["id"] for one in found.to_dict()["data"]["orders"]] == [order["id"]]
    # An empty body may be sent and signed too (T 2.1).
    again = foreign.search_orders_by_external_order_reference(
        body=sdk.SearchOrdersByExternalOrderReferenceRequest(),
        platform=sdk.SearchOrdersByExternalOrderReferencePlatform.ERP_SYSTEM,
        external_order_id="SO-1003",
    )
    assert again
    assert again.to_dict()["data"] == found.to_dict()["data"]


def test_a_number_that_the_foreign_client_attached_is_found_by_ours_and_can_be_replaced(
    market: Market,
) -> None:
    order = market.orders("GB")[2]
    access = market.access("GB")

    def attach(number: str) -> Any:
        lines = [
            sdk.AddExternalOrderReferencesRequestOrderExternalOrderLineItem(
                id=line["id"], origin_id=line["id"]
            )
            for line in order["line_items"]
        ]
        external = sdk.AddExternalOrderReferencesRequestOrderExternalOrder(
            id=number,
            platform=sdk.AddExternalOrderReferencesRequestOrderExternalOrderPlatform.ERP_SYSTEM,
            line_items=lines,
        )
        one = sdk.AddExternalOrderReferencesRequestOrder(id=order["id"], external_order=external)
        body = sdk.AddExternalOrderReferencesRequest(orders=[one])
        return market.foreign("GB").orders.add_external_order_references(body=body)

    assert isinstance(attach("SO-1"), sdk.AddExternalOrderReferencesResponse)
    attach("SO-2")
    (stored,) = market.ours(lambda client: client.external_orders(access, order["id"]))
    assert stored["id"] == "SO-2"
    assert market.ours(lambda client: client.search_external_order(access, "SO-1")) == []
    (found,) = market.ours(lambda client: client.search_external_order(access, "SO-2"))
    assert (found["id"], found["external_order"]["id"]) == (order["id"], "SO-2")


def test_what_is_refused_of_many_references_is_told_one_by_one(market: Market) -> None:
    good, bad = market.orders("US")[5], market.orders("US")[6]
    references = [
        _reference(good, "SO-77"),
        ExternalOrderReference(market.ids("GB")[0], "SO-78", (("1", "1"),)),
        ExternalOrderReference(bad["id"], "SO-79", (("1", "1"),)),
    ]
    failures = market.ours(lambda client: client.attach_external_orders(market.access("US"), references))
    assert [failure.order_id for failure in failures] == [market.ids("GB")[0], bad["id"]]
    assert all(failure.code and failure.message for failure in failures)
    (found,) = market.ours(lambda client: client.search_external_order(market.access("US"), "SO-77"))
    assert found["id"] == good["id"]


# Refusals


def test_the_server_is_as_strict_as_the_real_one(market: Market) -> None:
    def code_of(call: Callable[[], Any]) -> int:
        with pytest.raises(TikTokShopError) as caught:
            call()
        assert caught.value.request_id
        return caught.value.code

    assert code_of(lambda: market.foreign("US", secret="wrong").orders.get_order_list(page_size=1)) == 106001
    assert code_of(lambda: market.foreign().orders.get_order_list(page_size=1)) == 106013
    assert code_of(lambda: market.foreign("US").orders.get_order_list(page_size=101)) == 36009004
    assert code_of(lambda: market.foreign("US").orders.get_order_list(page_size=0)) == 36009004
    assert (
        code_of(lambda: market.foreign("US").orders.get_order_detail(ids=[str(n) for n in range(51)]))
        == 36009004
    )
    assert code_of(lambda: market.foreign("US").orders.get_order_price_details(order_id="1")) == 21008111
    assert (
        code_of(lambda: market.foreign("US").orders.get_order_list(page_size=1, page_token="x")) == 36009004
    )
    unknown = TikTokShop(APP_KEY, APP_SECRET, "TTP_unknown", SHOPS[0].cipher, base_url=market.url)
    assert code_of(lambda: unknown.orders.get_order_list(page_size=1)) == 36009005
    other_app = TikTokShop("another", APP_SECRET, "TTP_unknown", SHOPS[0].cipher, base_url=market.url)
    assert code_of(lambda: other_app.orders.get_order_list(page_size=1)) == 36009004


def test_a_wrong_cipher_is_refused_to_our_client_by_name(market: Market) -> None:
    stranger = ShopAccess("1", "GCP_wrong", "STRANGER", "", "US", "LOCAL")
    with pytest.raises(TikTokRefused, match="STRANGER"):
        market.ours(lambda client: client.price_detail(stranger, "576"))


def test_a_missing_scope_is_a_permission_and_not_a_login_problem(market: Market) -> None:
    granted = market.server.tokens.rules
    market.server.tokens.rules = type(granted)(scopes=("seller.shop.info",))
    try:
        with pytest.raises(TikTokPermissionError, match="scope"):
            market.ours(lambda client: client.price_detail(market.access("US"), "1"))
    finally:
        market.server.tokens.rules = granted


# Faults


_HARMLESS_TO_READS = [
    FaultKind.refuse,
    FaultKind.timeout_before_commit,
    FaultKind.cut_before_commit,
    FaultKind.http_429,
    FaultKind.http_500_before,
    FaultKind.http_503,
    FaultKind.html_body,
    FaultKind.unauthorized,
    FaultKind.delay,
]


@pytest.mark.parametrize("kind", _HARMLESS_TO_READS)
def test_our_client_reads_every_order_through_a_failure(market: Market, kind: FaultKind) -> None:
    async def listed(client: TikTokClient) -> set[str]:
        pages = client.search_orders(market.access("VN"), update_time_ge=None, page_size=30)
        return {order["id"] async for page in pages for order in page.orders}

    market.world.faults.inject(kind, "tiktok", _SEARCH, times=1)
    assert market.ours(
        listed, timeout_s=0.4 if kind is FaultKind.timeout_before_commit else 10
    ) == market.placed("VN")
    assert market.world.faults.latest[-1].kind is kind


_WRITES = [
    (FaultKind.timeout_before_commit, TikTokAmbiguous, False),
    (FaultKind.timeout_after_commit, TikTokAmbiguous, True),
    (FaultKind.cut_before_commit, TikTokAmbiguous, False),
    (FaultKind.cut_after_commit, TikTokAmbiguous, True),
    (FaultKind.http_500_before, TikTokAmbiguous, False),
    (FaultKind.http_500_after, TikTokAmbiguous, True),
    (FaultKind.http_503, TikTokAmbiguous, False),
    (FaultKind.html_body, TikTokAmbiguous, False),
    (FaultKind.http_429, TikTokThrottled, False),
]


@pytest.mark.parametrize(("kind", "expected", "done"), _WRITES)
def test_a_write_that_fails_says_whether_it_may_have_happened(
    market: Market, kind: FaultKind, expected: type[TikTokError], done: bool
) -> None:
    order = market.orders("VN")[_WRITES.index((kind, expected, done))]
    access, number = market.access("VN"), f"SO-{kind}"
    market.world.faults.inject(kind, "tiktok", _ATTACH, times=1)
    with pytest.raises(expected):
        market.ours(
            lambda client: client.attach_external_orders(access, [_reference(order, number)]), timeout_s=0.4
        )
    found = market.ours(lambda client: client.search_external_order(access, number))
    assert [one["id"] for one in found] == ([order["id"]] if done else [])


def test_a_refused_connection_is_never_taken_for_done(market: Market) -> None:
    order, access = market.orders("US")[8], market.access("US")
    market.world.faults.inject(FaultKind.refuse, "tiktok", _ATTACH, times=1)
    with pytest.raises((TikTokTransient, TikTokAmbiguous)):
        market.ours(lambda client: client.attach_external_orders(access, [_reference(order, "SO-refuse")]))
    assert market.ours(lambda client: client.search_external_order(access, "SO-refuse")) == []


def test_a_write_whose_token_ran_out_is_done_all_the_same(market: Market) -> None:
    order, access = market.orders("US")[9], market.access("US")
    market.world.faults.inject(FaultKind.unauthorized, "tiktok", _ATTACH, times=1)
    assert (
        market.ours(lambda client: client.attach_external_orders(access, [_reference(order, "SO-9")])) == []
    )
    assert [one["id"] for one in market.ours(lambda client: client.search_external_order(access, "SO-9"))]


def test_doubled_rows_of_a_page_do_not_hide_any_order(market: Market) -> None:
    market.world.faults.inject(FaultKind.duplicate_rows, "tiktok", _SEARCH, times=1)
    assert set(market.ids("GB")) == market.placed("GB")
