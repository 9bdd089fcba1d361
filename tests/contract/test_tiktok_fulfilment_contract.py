"""Shipping at the simulated TikTok Shop over loopback HTTP, by a client that we did not write and by ours.

The foreign client knows two calls by a version that the reference does not describe; it signs them, and
its models parse what came back (`mark_as_shipped`, `update_package_shipping_info`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tiktok_shop_api import TikTokShopError
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokAmbiguous, TikTokPermissionError, TikTokRefused
from tiktok_ns_pipeline.tiktok.fulfilment_models import Package
from tiktok_ns_pipeline.tiktok.meanings import meaning_of
from tiktok_ns_pipeline.tiktok.models import Order

_OF_SELLER = "7091146663229654785"
_USPS, _ROYAL_MAIL, _GHN = "7117858858072016686", "6965352555291346690", "6841743441349706242"


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    mix = Mix.plain(shipped_by="nobody")
    with running_sandbox(SandboxOptions(seed=12, hang_s=0.6, mix=mix)) as running:
        yield Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)


def _order(market: Market, region: str, order_id: str) -> Order:
    (page,) = market.ours(lambda client: client.order_details(market.access(region), [order_id]))
    return Order.parse(page.orders[0])


def _placed(market: Market, region: str, *skus: str, **options: Any) -> Order:
    key = {"US": "us", "GB": "uk", "VN": "vn"}[region]
    return _order(market, region, market.world.place_order(key, list(skus) or ["SKU-001"], **options))


def _package(market: Market, region: str, package_id: str) -> Package:
    return Package.parse(
        market.ours(lambda client: client.fulfilment.package(market.access(region), package_id))
    )


def _number(order: Order) -> str:
    """A tracking number of its own for each order."""
    return f"TRK{order.id[-12:]}"


def _refusal(call: Callable[[], Any]) -> str | None:
    with pytest.raises(TikTokRefused) as caught:
        call()
    return meaning_of(caught.value.code)


# The seller's own carrier, where shipments are told by order


def test_what_our_client_marked_as_shipped_the_foreign_one_reads(market: Market) -> None:
    order = _placed(market, "US")
    made = market.ours(
        lambda client: client.fulfilment.mark_as_shipped(
            market.access("US"), order.id, _number(order), _USPS, [line.id for line in order.line_items]
        )
    )
    assert made["order_line_item_ids"] == [line.id for line in order.line_items]
    read = market.foreign("US").fulfillment.get_package_detail(package_id=made["package_id"])
    assert isinstance(read, sdk.GetPackageDetailResponse)
    data = read.to_dict()["data"]
    assert (data["package_status"], data["tracking_number"]) == ("PROCESSING", _number(order))
    ours = _package(market, "US", made["package_id"])
    assert (ours.id, ours.order_ids, ours.shipping_provider_id) == (made["package_id"], (order.id,), _USPS)
    shipped = _order(market, "US", order.id)
    assert shipped.status == "AWAITING_COLLECTION"
    assert {(line.package_id, line.tracking_number) for line in shipped.line_items} == {
        (ours.id, _number(order))
    }


def test_what_the_foreign_client_signed_as_shipped_ours_reads(market: Market) -> None:
    order = _placed(market, "GB")
    body = {"tracking_number": _number(order), "shipping_provider_id": _ROYAL_MAIL}
    answer = market.foreign_signature("GB", f"/fulfillment/202309/orders/{order.id}/packages", body)
    assert answer["code"] == 0
    read = sdk.MarkPackageAsShippedResponse.from_dict(answer).to_dict()["data"]
    package = _package(market, "GB", read["package_id"])
    assert (package.tracking_number, package.line_ids) == (_number(order), (order.line_items[0].id,))


def test_a_unit_at_a_time_makes_a_package_each(market: Market) -> None:
    order = _placed(market, "US", "SKU-001", "SKU-001")
    first, second = (line.id for line in order.line_items)
    access = market.access("US")

    async def both(client: TikTokClient) -> list[str]:
        one = await client.fulfilment.mark_as_shipped(access, order.id, f"{_number(order)}A", _USPS, [first])
        two = await client.fulfilment.mark_as_shipped(access, order.id, f"{_number(order)}B", _USPS, [second])
        return [one["package_id"], two["package_id"]]

    packages = market.ours(both)
    assert len(set(packages)) == 2
    assert [package.id for package in _order(market, "US", order.id).packages] == packages


def test_tracking_is_corrected_by_order_as_both_clients_say(market: Market) -> None:
    order, access = _placed(market, "US"), market.access("US")
    body = sdk.UpdateOrderShippingInfoRequest(
        tracking_number=f"{_number(order)}C", shipping_provider_id=_USPS
    )

    async def ship_and_correct(client: TikTokClient) -> str:
        made = await client.fulfilment.mark_as_shipped(access, order.id, _number(order), _USPS)
        await client.fulfilment.update_order_shipping_info(access, order.id, f"{_number(order)}B", _USPS)
        return made["package_id"]

    package_id = market.ours(ship_and_correct)
    assert _package(market, "US", package_id).tracking_number == f"{_number(order)}B"
    done = market.foreign("US").fulfillment.update_order_shipping_info(order_id=order.id, body=body)
    assert isinstance(done, sdk.UpdateOrderShippingInfoResponse)
    assert _package(market, "US", package_id).tracking_number == f"{_number(order)}C"


def test_tracking_of_a_part_is_corrected_by_package(market: Market) -> None:
    order, access = _placed(market, "US", "SKU-001", "SKU-002"), market.access("US")

    async def ship_and_correct(client: TikTokClient) -> str:
        fulfilment = client.fulfilment
        made = await fulfilment.mark_as_shipped(
            access, order.id, _number(order), _USPS, [order.line_items[0].id]
        )
        await fulfilment.update_package_shipping_info(access, made["package_id"], f"{_number(order)}B", _USPS)
        return made["package_id"]

    package_id = market.ours(ship_and_correct)
    assert _package(market, "US", package_id).tracking_number == f"{_number(order)}B"
    path = f"/fulfillment/202309/packages/{package_id}/shipping_info/update"
    body = {"tracking_number": f"{_number(order)}C", "shipping_provider_id": _USPS}
    answer = market.foreign_signature("US", path, body)
    assert sdk.UpdatePackageShippingInfoResponse.from_dict(answer).code == 0
    assert _package(market, "US", package_id).tracking_number == f"{_number(order)}C"


# Shipments that are told by package


def test_a_package_goes_by_the_sellers_carrier_as_both_clients_say(market: Market) -> None:
    mine, theirs = _placed(market, "VN"), _placed(market, "VN")
    market.ours(
        lambda client: client.fulfilment.ship_package(
            market.access("VN"), mine.packages[0].id, self_shipment=(_number(mine), _GHN)
        )
    )
    shipment = sdk.SelfShipment(tracking_number=_number(theirs), shipping_provider_id=_GHN)
    done = market.foreign("VN").fulfillment.ship_package(
        package_id=theirs.packages[0].id, body=sdk.ShipPackageRequest(self_shipment=shipment)
    )
    assert isinstance(done, sdk.ShipPackageResponse)
    for order in (mine, theirs):
        package = _package(market, "VN", order.packages[0].id)
        assert (package.status, package.tracking_number) == ("PROCESSING", _number(order))


def test_a_package_is_handed_to_tiktoks_carrier_in_a_slot_that_it_offers(market: Market) -> None:
    order, access = _placed(market, "VN", by_seller=False), market.access("VN")
    package_id = order.packages[0].id

    async def hand_over(client: TikTokClient) -> None:
        slots = await client.fulfilment.handover_time_slots(access, package_id)
        assert slots.can_pickup
        slot = next(slot for slot in slots.pickup_slots if slot.is_available)
        await client.fulfilment.ship_package(access, package_id, "PICKUP", slot)

    read = market.foreign("VN").fulfillment.get_package_handover_time_slots(package_id=package_id)
    assert isinstance(read, sdk.GetPackageHandoverTimeSlotsResponse)
    market.ours(hand_over)
    package = _package(market, "VN", package_id)
    assert (package.status, package.handover_method) == ("PROCESSING", "PICKUP")
    assert package.tracking_number


def test_an_order_is_split_by_its_skus(market: Market) -> None:
    order, access = _placed(market, "VN", "SKU-001", "SKU-002"), market.access("VN")
    groups = {"1": [order.line_items[0].id], "2": [order.line_items[1].id]}

    async def split(client: TikTokClient) -> dict[str, str]:
        (attributes,) = await client.fulfilment.split_attributes(access, [order.id])
        assert attributes.can_split
        return await client.fulfilment.split_order(access, order.id, groups)

    read = market.foreign("VN").fulfillment.get_order_split_attributes(order_ids=[order.id])
    assert isinstance(read, sdk.GetOrderSplitAttributesResponse)
    made = market.ours(split)
    assert {name: list(_package(market, "VN", made[name]).line_ids) for name in groups} == groups


# Reading


@pytest.mark.parametrize("region", ["US", "VN"])
def test_both_clients_page_through_the_same_packages(market: Market, region: str) -> None:
    for _ in range(3):
        order = _placed(market, region)
        if region == "US":
            market.ours(
                lambda client, order=order: client.fulfilment.mark_as_shipped(
                    market.access("US"), order.id, _number(order), _USPS
                )
            )
    foreign = market.foreign(region).fulfillment
    theirs: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    while not theirs or options.get("page_token"):
        page = foreign.search_package(
            body=sdk.SearchPackageRequest(update_time_ge=1),
            page_size=2,
            sort_field=sdk.SearchPackageSortField.UPDATE_TIME,
            sort_order=sdk.SearchPackageSortOrder.ASC,
            **options,
        )
        assert isinstance(page, sdk.SearchPackageResponse)
        data = page.to_dict()["data"]
        theirs += data["packages"]
        options = {"page_token": data["next_page_token"]} if data.get("next_page_token") else {}

    async def listed(client: TikTokClient) -> list[dict[str, Any]]:
        pages = client.fulfilment.search_packages(market.access(region), from_epoch(1))
        return [row async for page in pages for row in page.rows]

    ours = market.ours(listed)
    assert [stated(row) for row in ours] == [stated(row) for row in theirs]
    packages = [Package.parse(row) for row in ours]
    assert len(packages) >= 3
    changes = [package.update_time for package in packages if package.update_time]
    assert changes == sorted(changes)
    for package in packages:
        assert package.line_ids == _package(market, region, package.id).line_ids


def test_both_clients_read_the_same_carriers(market: Market) -> None:
    ours = market.ours(lambda client: client.fulfilment.shipping_providers(market.access("US"), _OF_SELLER))
    read = market.foreign("US").logistics.get_shipping_providers(delivery_option_id=_OF_SELLER)
    assert isinstance(read, sdk.GetShippingProvidersResponse)
    theirs = read.to_dict()["data"]["shipping_providers"]
    assert [(provider["id"], provider["name"]) for provider in theirs] == ours
    assert _placed(market, "US").delivery_option_id == _OF_SELLER


# Refusals


def test_a_refusal_says_what_it_means_for_the_order(market: Market) -> None:
    us, vn = market.access("US"), market.access("VN")
    shipped, held, cancelled = (
        _placed(market, "US"),
        _placed(market, "US", status="ON_HOLD"),
        _placed(market, "US"),
    )
    theirs = _placed(market, "VN")
    market.world.cancel_order(cancelled.id)

    def mark(order: Order, number: str = "", provider: str = _USPS) -> Callable[[], Any]:
        access = vn if order is theirs else us
        return lambda: market.ours(
            lambda client: client.fulfilment.mark_as_shipped(
                access, order.id, number or _number(order), provider
            )
        )

    mark(shipped)()
    assert _refusal(mark(shipped)) == "already_shipped"
    assert _refusal(mark(held)) == "on_hold"
    assert _refusal(mark(cancelled)) == "cancelled"
    assert _refusal(mark(theirs)) == "not_in_market"
    assert _refusal(mark(_placed(market, "US"), provider=_GHN)) == "tracking_unknown"
    assert _refusal(mark(_placed(market, "US", by_tiktok_warehouse=True))) == "channel_ships"


def test_a_pending_request_comes_before_shipping(market: Market) -> None:
    order = _placed(market, "US")
    market.world.request_cancellation(order.id)
    with pytest.raises(TikTokShopError) as caught:
        market.foreign("US").fulfillment.ship_package(package_id=order.id, body=sdk.ShipPackageRequest())
    assert meaning_of(caught.value.code) == "package_gone"
    assert (
        _refusal(
            lambda: market.ours(
                lambda client: client.fulfilment.mark_as_shipped(
                    market.access("US"), order.id, _number(order), _USPS
                )
            )
        )
        == "request_pending"
    )


# Faults


_UNCLEAR = [
    (FaultKind.timeout_before_commit, False),
    (FaultKind.timeout_after_commit, True),
    (FaultKind.cut_before_commit, False),
    (FaultKind.cut_after_commit, True),
    (FaultKind.http_500_before, False),
    (FaultKind.http_500_after, True),
]


@pytest.mark.parametrize(("kind", "done"), _UNCLEAR)
def test_after_an_unclear_shipment_the_order_tells_whether_it_happened(
    market: Market, kind: FaultKind, done: bool
) -> None:
    order, access = _placed(market, "GB"), market.access("GB")

    def ship(timeout_s: float = 10) -> Any:
        return market.ours(
            lambda client: client.fulfilment.mark_as_shipped(access, order.id, _number(order), _ROYAL_MAIL),
            timeout_s=timeout_s,
        )

    market.world.faults.inject(kind, "tiktok", f"POST /fulfillment/202309/orders/{order.id}/packages")
    with pytest.raises(TikTokAmbiguous):
        ship(timeout_s=0.4)
    looked = _order(market, "GB", order.id)
    assert [line.tracking_number for line in looked.line_items] == [_number(order) if done else None]
    if done:
        assert _refusal(ship) == "already_shipped"
    else:
        assert ship()["package_id"]


def test_doubled_rows_of_a_page_do_not_hide_any_package(market: Market) -> None:
    orders = [_placed(market, "VN") for _ in range(4)]
    market.world.faults.inject(FaultKind.duplicate_rows, "tiktok", "/fulfillment/202309/packages/search")

    async def listed(client: TikTokClient) -> set[str]:
        pages = client.fulfilment.search_packages(market.access("VN"), from_epoch(1))
        return {row["id"] async for page in pages for row in page.rows}

    assert {order.packages[0].id for order in orders} <= market.ours(listed)


def test_a_missing_scope_is_a_permission(market: Market) -> None:
    granted = market.server.tokens.rules
    market.server.tokens.rules = type(granted)(scopes=("seller.order.info",))
    try:
        with pytest.raises(TikTokPermissionError, match="scope"):
            market.ours(lambda client: client.fulfilment.package(market.access("US"), "1"))
    finally:
        market.server.tokens.rules = granted
