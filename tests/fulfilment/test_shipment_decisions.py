"""What is done at TikTok for a parcel, by who ships, the market, and what TikTok shows: pure rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.fulfilment.fulfilment_builder import SAVED_AT
from tiktok_ns_pipeline.fulfilment.carriers import Unmapped, provider_of
from tiktok_ns_pipeline.fulfilment.deciding import (
    Correct,
    Hold,
    Known,
    Mark,
    Refuse,
    Restage,
    ShipPackages,
    Split,
    decide,
    way_of,
)
from tiktok_ns_pipeline.fulfilment.documents import ShipmentDocument
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.sandbox.rig import MAPPING
from tiktok_ns_pipeline.tiktok.fulfilment import ShippingProvider
from tiktok_ns_pipeline.tiktok.models import Order

MAPPED = load_mapping(MAPPING)
AT = int(SAVED_AT.timestamp())


def order(lines: dict[str, dict[str, Any]], **fields: Any) -> Order:
    told = {"id": "577", "status": "AWAITING_SHIPMENT", "shipping_type": "SELLER", **fields}
    return Order.parse({**told, "line_items": [{"id": key, **line} for key, line in lines.items()]})


def parcel(*unit_ids: str, tracking: str = "T1") -> ShipmentDocument:
    return ShipmentDocument(
        shop="us",
        order_id="577",
        fulfilment_id="90",
        fulfilment_number="IF90",
        number=1,
        unit_ids=unit_ids,
        tracking=tracking,
        carrier="UPS Ground",
        shipped_on=None,
        saved_at=SAVED_AT,
    )


SHIPPED = {"tracking_number": "T1", "package_id": "p1", "rts_time": AT - 60}
OTHER = {**SHIPPED, "tracking_number": "T0"}


@pytest.mark.parametrize(
    ("shipping_type", "region", "way"),
    [
        *(("SELLER", region, "mark") for region in ("US", "GB", "JP", "DE", "ES", "FR", "IE", "IT")),
        *(("SELLER", region, "own_package") for region in ("VN", "TH", "ID", "MX", "BR")),
        *(("TIKTOK", region, "label") for region in ("US", "GB", "JP")),
        *(("TIKTOK", region, "schedule") for region in ("DE", "FR", "VN", "ID", "BR")),
        ("TIKTOK_DIGITAL", "US", None),
    ],
)
def test_who_ships_and_the_market_decide_the_way(shipping_type: str, region: str, way: str | None):
    assert way_of(order({}, shipping_type=shipping_type), region) == way


@pytest.mark.parametrize("region", ["US", "DE", "VN"])
def test_what_tiktoks_warehouse_ships_is_never_told(region: str):
    told = order({"a": {}}, fulfillment_type="FULFILLMENT_BY_TIKTOK", shipping_type="TIKTOK")
    assert isinstance(decide(parcel("a"), told, region), Known)


def test_only_units_that_are_open_are_told():
    assert decide(parcel("a", "b"), order({"a": SHIPPED, "b": {}}), "US") == Mark(("b",))


def test_what_tiktok_shows_under_the_same_number_is_known():
    assert decide(parcel("a"), order({"a": SHIPPED}, status="IN_TRANSIT"), "US") == Known("p1")


def test_a_newer_number_corrects_the_whole_order_or_one_package_of_it():
    assert decide(parcel("a"), order({"a": OTHER}), "US") == Correct(("p1",), is_split=False)
    split = order({"a": OTHER, "b": {**SHIPPED, "package_id": "p2"}})
    assert decide(parcel("a"), split, "US") == Correct(("p1",), is_split=True)


def test_a_number_told_after_ours_was_saved_is_not_overwritten_unless_ours_is_a_correction():
    later = order({"a": {**OTHER, "rts_time": AT + 60}})
    step = decide(parcel("a"), later, "US")
    assert isinstance(step, Refuse)
    assert step.kind == "tracking_update_refused"
    assert isinstance(decide(parcel("a"), later, "US", is_correction=True), Correct)


def test_a_package_with_units_of_another_parcel_is_not_corrected():
    step = decide(parcel("a"), order({"a": OTHER, "b": OTHER}), "US")
    assert isinstance(step, Refuse)
    assert step.cause == "shared_package"


def test_a_cancelled_order_is_refused_and_a_partly_cancelled_parcel_is_staged_again():
    step = decide(parcel("a"), order({"a": {}}, status="CANCELLED"), "US")
    assert isinstance(step, Refuse)
    assert step.kind == "shipped_after_cancellation"
    partly = order({"a": {"display_status": "CANCELLED"}, "b": {}})
    assert isinstance(decide(parcel("a", "b"), partly, "US"), Restage)


def test_a_unit_that_tiktok_no_longer_shows_is_staged_again():
    assert isinstance(decide(parcel("a", "z"), order({"a": {}}), "US"), Restage)


@pytest.mark.parametrize("status", ["ON_HOLD", "UNPAID"])
def test_an_order_that_may_not_be_shipped_yet_is_held(status: str):
    step = decide(parcel("a"), order({"a": {}}, status=status), "US")
    assert isinstance(step, Hold)
    assert step.cause == "hold"


def test_a_request_to_cancel_holds_until_it_is_answered():
    step = decide(parcel("a"), order({"a": {}}, is_buyer_request_cancel=True), "US")
    assert isinstance(step, Hold)
    assert step.cause == "request"


def test_a_label_is_verified_by_its_number():
    labelled = {"shipping_type": "TIKTOK"}
    assert isinstance(decide(parcel("a"), order({"a": SHIPPED}, **labelled), "US"), Known)
    missing = decide(parcel("a"), order({"a": {}}, **labelled), "US")
    wrong = decide(parcel("a"), order({"a": OTHER}, **labelled), "US")
    assert isinstance(missing, Hold)
    assert isinstance(wrong, Hold)
    assert "T0" in wrong.reason


def test_a_package_that_holds_more_is_split_first():
    inside = order({"a": {"package_id": "p1"}, "b": {"package_id": "p1"}})
    assert decide(parcel("a"), inside, "VN") == Split({"1": ("a",), "2": ("b",)})
    assert decide(parcel("a", "b"), inside, "VN") == ShipPackages(("p1",))


def test_cancelled_units_in_a_package_need_no_split():
    inside = order({"a": {"package_id": "p1"}, "b": {"package_id": "p1", "display_status": "CANCELLED"}})
    assert decide(parcel("a"), inside, "VN") == ShipPackages(("p1",))


def test_tiktoks_carrier_gives_the_number_that_counts():
    arranged = order(
        {"a": {"package_id": "p1", "package_status": "PROCESSING", "tracking_number": "TTS1"}},
        shipping_type="TIKTOK",
    )
    assert decide(parcel("a"), arranged, "VN") == Known("p1")


def test_units_that_travel_with_a_sibling_are_known():
    together = order({"a": {**OTHER}, "b": {**OTHER}})
    assert isinstance(decide(parcel("a"), together, "VN", ["T0"]), Known)
    assert not isinstance(decide(parcel("a"), together, "VN"), Known)


PROVIDERS = [ShippingProvider("1", "UPS"), ShippingProvider("2", "Royal Mail")]


@pytest.mark.parametrize(
    ("carrier", "provider"),
    [("UPS Ground", "1"), ("ups  ground", "1"), ("Royal Mail", "2"), ("royal mail", "2")],
)
def test_a_carrier_is_found_by_mapping_or_by_its_own_name(carrier: str, provider: str):
    found = provider_of(carrier, PROVIDERS, MAPPED, MAPPED.shops["us"])
    assert isinstance(found, ShippingProvider)
    assert found.id == provider


@pytest.mark.parametrize("carrier", ["Bike Courier", "FedEx Home Delivery", None])
def test_an_unknown_carrier_is_told_with_what_tiktok_offers(carrier: str | None):
    found = provider_of(carrier, PROVIDERS, MAPPED, MAPPED.shops["us"])
    assert isinstance(found, Unmapped)
    assert "UPS, Royal Mail" in found.message


def test_the_saved_instant_decides_about_corrections_to_the_second():
    told = order({"a": {**OTHER, "rts_time": AT}})
    assert isinstance(decide(parcel("a"), told, "US"), Correct)
    before = parcel("a").model_copy(update={"saved_at": SAVED_AT - timedelta(seconds=1)})
    assert isinstance(decide(before, told, "US"), Refuse)


def test_orders_of_a_combined_package_travel_under_the_number_that_was_told_first():
    combined = order({"a": OTHER}, split_or_combine_tag="COMBINED")
    assert decide(parcel("a"), combined, "VN") == Known("p1")
    assert decide(parcel("a"), combined, "VN", is_correction=True) == Correct(("p1",), is_split=True)
