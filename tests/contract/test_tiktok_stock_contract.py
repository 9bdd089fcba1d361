"""Products and stock at the simulated TikTok Shop over loopback HTTP.

A client that we did not write and ours ask the same server, and what one sets the other reads.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tiktok_shop_api import TikTokShopError
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated
from tiktok_ns_pipeline.sandbox.catalogue import BUNDLES, RETIRED, SHOPS, SINGLES, Shop
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokAmbiguous, TikTokRefused
from tiktok_ns_pipeline.tiktok.meanings import meaning_of
from tiktok_ns_pipeline.tiktok.product_models import FbtStock, Listing, SkuStock
from tiktok_ns_pipeline.tiktok.products import Refusal, StockReading

_US, _UK, _VN = SHOPS
_REGIONS = pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.region)
Levels = Mapping[str, Mapping[str, int]]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    mix = Mix.plain(shipped_by="nobody", stock="kept", stock_at_start=50)
    with running_sandbox(SandboxOptions(seed=17, hang_s=0.6, mix=mix)) as running:
        yield Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)


def _listed(market: Market, shop: Shop) -> list[dict[str, Any]]:
    async def listed(client: TikTokClient) -> list[dict[str, Any]]:
        pages = client.products.search_products(market.access(shop.region))
        return [row async for page in pages for row in page.rows]

    return market.ours(listed)


def _reading(market: Market, shop: Shop, *sku_ids: str) -> StockReading:
    return market.ours(lambda client: client.products.stock_of(market.access(shop.region), sku_ids))


def _stock(market: Market, shop: Shop, sku_id: str) -> SkuStock:
    return _reading(market, shop, sku_id)[sku_id]


def _available(market: Market, shop: Shop, sku_id: str) -> dict[str, int]:
    stock = _stock(market, shop, sku_id)
    return {warehouse_id: each.available for warehouse_id, each in stock.warehouses.items()}


def _set(
    market: Market, shop: Shop, product_id: str, levels: Levels, *, timeout_s: float = 10.0
) -> dict[str, Refusal]:
    return market.ours(
        lambda client: client.products.update_stock(market.access(shop.region), product_id, levels),
        timeout_s=timeout_s,
    )


def _of_seller(shop: Shop, level: int) -> dict[str, int]:
    """A level for each of the warehouses that the seller counts."""
    return dict.fromkeys(shop.warehouses, level)


def _meanings(market: Market, shop: Shop, product_id: str, levels: Levels) -> dict[str, str | None]:
    """Why each SKU was refused, whether it is told for the SKU or for the call."""
    try:
        refused = _set(market, shop, product_id, levels)
    except TikTokRefused as refusal:
        return dict.fromkeys(levels, meaning_of(refusal.code))
    return {sku_id: one.meaning for sku_id, one in refused.items()}


@_REGIONS
def test_both_clients_page_through_the_same_products(market: Market, shop: Shop) -> None:
    foreign = market.foreign(shop.region).products
    theirs: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    while not theirs or options.get("page_token"):
        page = foreign.search_products(body=sdk.SearchProductsRequest(), page_size=7, **options)
        assert isinstance(page, sdk.SearchProductsResponse)
        data = page.to_dict()["data"]
        theirs += data["products"]
        options = {"page_token": data["next_page_token"]} if data.get("next_page_token") else {}
    ours = _listed(market, shop)
    assert [stated(row) for row in ours] == [stated(row) for row in theirs]
    listings = [Listing.parse(row) for row in ours]
    assert len({listing.product_id for listing in listings}) == len(listings)
    assert {listing.product_id for listing, _ in RETIRED} <= {listing.product_id for listing in listings}
    assert not all(listing.takes_stock for listing in listings), "deleted products are listed, too"
    bundles = {sku.sku_id for listing in listings for sku in listing.skus if sku.is_bundle}
    assert bundles == {bundle.sku_id for bundle in BUNDLES}


@_REGIONS
def test_both_clients_read_the_same_stock(market: Market, shop: Shop) -> None:
    sku_ids = [listing.sku_id for listing in SINGLES]
    answer = market.foreign(shop.region).products.inventory_search(
        body=sdk.InventorySearchRequest(sku_ids=sku_ids)
    )
    assert isinstance(answer, sdk.InventorySearchResponse)
    theirs = {
        sku["id"]: {
            row["warehouse_id"]: (row["available_quantity"], row["committed_quantity"])
            for row in sku["warehouse_inventory"]
        }
        for product in answer.to_dict()["data"]["inventory"]
        for sku in product["skus"]
    }
    ours = _reading(market, shop, *sku_ids, "1729999999999999999")
    assert not ours.malformed
    assert ours.keys() == theirs.keys() == set(sku_ids)
    for sku_id, stock in ours.items():
        assert {name: (each.available, each.committed) for name, each in stock.warehouses.items()} == theirs[
            sku_id
        ]
        assert stock.total_available == sum(each.available for each in stock.warehouses.values())
        assert set(shop.warehouses) <= stock.warehouses.keys()


@_REGIONS
@pytest.mark.parametrize("level", [0, 99_999])
def test_a_level_that_we_set_is_what_the_other_client_reads(market: Market, shop: Shop, level: int) -> None:
    listing = SINGLES[20]
    assert _set(market, shop, listing.product_id, {listing.sku_id: _of_seller(shop, level)}) == {}
    answer = market.foreign(shop.region).products.inventory_search(
        body=sdk.InventorySearchRequest(sku_ids=[listing.sku_id])
    )
    assert isinstance(answer, sdk.InventorySearchResponse)
    ((sku,),) = [product["skus"] for product in answer.to_dict()["data"]["inventory"]]
    rows = {row["warehouse_id"]: row["available_quantity"] for row in sku["warehouse_inventory"]}
    assert {name: rows[name] for name in shop.warehouses} == _of_seller(shop, level)
    (row,) = [row for row in _listed(market, shop) if row["id"] == listing.product_id]
    assert Listing.parse(row).status == "ACTIVATE", "zero is out of stock, not off sale"


def test_a_level_that_the_other_client_sets_is_what_we_read(market: Market) -> None:
    listing = SINGLES[21]
    rows = [
        sdk.UpdateInventoryRequestSkuInventory(quantity=3 + at, warehouse_id=name)
        for at, name in enumerate(_US.warehouses)
    ]
    body = sdk.UpdateInventoryRequest(skus=[sdk.UpdateInventoryRequestSku(id=listing.sku_id, inventory=rows)])
    done = market.foreign("US").products.update_inventory(listing.product_id, body=body)
    assert isinstance(done, sdk.UpdateInventoryResponse)
    found = _available(market, _US, listing.sku_id)
    assert [found[name] for name in _US.warehouses] == [3, 4]


def test_an_order_takes_what_it_promises_off_what_can_be_ordered(market: Market) -> None:
    listing = SINGLES[0]
    before = _stock(market, _UK, listing.sku_id)
    market.world.place_order("uk", [listing.seller_sku, listing.seller_sku])
    after = _stock(market, _UK, listing.sku_id)
    (name,) = _UK.warehouses
    assert after.warehouses[name].available == before.warehouses[name].available - 2
    assert after.warehouses[name].committed == (before.warehouses[name].committed or 0) + 2


@pytest.mark.parametrize("named", ["one is left out", "one is added"])
def test_a_sku_is_set_with_all_of_its_warehouses_and_no_other(market: Market, named: str) -> None:
    listing = SINGLES[22]
    before = _available(market, _US, listing.sku_id)
    levels = _of_seller(_US, 9)
    if named == "one is left out":
        levels.pop(_US.warehouses[1])
    else:
        levels[_UK.warehouses[0]] = 9
    refused = _meanings(market, _US, listing.product_id, {listing.sku_id: levels})
    assert refused == {listing.sku_id: "warehouses_differ"}
    assert _available(market, _US, listing.sku_id) == before


def test_stock_that_a_campaign_holds_is_not_lowered_and_may_be_raised(market: Market) -> None:
    listing = SINGLES[23]
    _set(market, _US, listing.product_id, {listing.sku_id: _of_seller(_US, 20)})
    market.world.stock.lock("us", listing.sku_id, _US.warehouses[0], 15)
    try:
        assert _meanings(market, _US, listing.product_id, {listing.sku_id: _of_seller(_US, 14)}) == {
            listing.sku_id: "stock_locked"
        }
        assert _stock(market, _US, listing.sku_id).campaign == 15
        assert _set(market, _US, listing.product_id, {listing.sku_id: _of_seller(_US, 15)}) == {}
    finally:
        market.world.stock.lock("us", listing.sku_id, _US.warehouses[0], 0)


def test_a_bundle_has_no_stock_of_its_own(market: Market) -> None:
    bundle = BUNDLES[0]
    refused = _meanings(market, _US, bundle.product_id, {bundle.sku_id: _of_seller(_US, 5)})
    assert refused == {bundle.sku_id: "bundle"}


def test_a_deleted_product_takes_no_stock(market: Market) -> None:
    deleted = next(listing for listing, status in RETIRED if status == "DELETED")
    refused = _meanings(market, _US, deleted.product_id, {deleted.sku_id: _of_seller(_US, 5)})
    assert refused == {deleted.sku_id: "listing_closed"}


@pytest.mark.parametrize("level", [-1, 100_000])
def test_the_other_client_is_refused_what_ours_never_sends(market: Market, level: int) -> None:
    listing = SINGLES[24]
    rows = [
        sdk.UpdateInventoryRequestSkuInventory(quantity=level, warehouse_id=name) for name in _US.warehouses
    ]
    body = sdk.UpdateInventoryRequest(skus=[sdk.UpdateInventoryRequestSku(id=listing.sku_id, inventory=rows)])
    before = _available(market, _US, listing.sku_id)
    try:
        done = market.foreign("US").products.update_inventory(listing.product_id, body=body)
    except TikTokShopError:
        pass
    else:
        assert isinstance(done, sdk.UpdateInventoryResponse)
        assert done.to_dict()["data"]["errors"]
    assert _available(market, _US, listing.sku_id) == before


@pytest.mark.parametrize(
    ("kind", "was_done"), [(FaultKind.timeout_after_commit, True), (FaultKind.cut_before_commit, False)]
)
def test_after_an_unclear_answer_the_stock_says_whether_it_was_set(
    market: Market, kind: FaultKind, was_done: bool
) -> None:
    listing = SINGLES[25]
    _set(market, _UK, listing.product_id, {listing.sku_id: _of_seller(_UK, 30)})
    market.world.faults.inject(kind, "tiktok", f"/products/{listing.product_id}/inventory/update")
    with pytest.raises(TikTokAmbiguous):
        _set(market, _UK, listing.product_id, {listing.sku_id: _of_seller(_UK, 12)}, timeout_s=0.4)
    assert _available(market, _UK, listing.sku_id) == _of_seller(_UK, 12 if was_done else 30)


def test_both_clients_list_the_same_stock_in_tiktoks_own_warehouse(market: Market) -> None:
    listing = SINGLES[26]
    market.world.stock.receive_fbt("us", listing.sku_id, 5)

    async def rows(client: TikTokClient) -> list[dict[str, Any]]:
        pages = client.products.fbt_stock(market.access("US"), [listing.sku_id])
        return [row async for page in pages for row in page.rows]

    ours = market.ours(rows)
    answer = market.foreign("US").fulfilled_by_tiktok.search_fbt_inventory(
        body=sdk.SearchFBTInventoryRequest(sku_ids=[listing.sku_id]), page_size=20
    )
    assert isinstance(answer, sdk.SearchFBTInventoryResponse)
    assert [stated(row) for row in ours] == [stated(row) for row in answer.to_dict()["data"]["inventory"]]
    (stock,) = [FbtStock.parse(row) for row in ours]
    assert stock.warehouse_id == _US.fbt_warehouse
    (on_hand,) = [sku.on_hand for sku in stock.goods.skus if sku.sku_id == listing.sku_id]
    assert on_hand is not None
    assert on_hand.available == market.world.stock.available("us", listing.sku_id, stock.warehouse_id)


def test_stock_in_tiktoks_own_warehouse_is_not_the_sellers_to_set(market: Market) -> None:
    listing = SINGLES[27]
    assert _US.fbt_warehouse is not None
    levels = {**_of_seller(_US, 5), _US.fbt_warehouse: 5}
    refused = _meanings(market, _US, listing.product_id, {listing.sku_id: levels})
    assert refused.keys() == {listing.sku_id}
    assert refused[listing.sku_id] in ("not_editable", "channel_ships", "warehouses_differ")
