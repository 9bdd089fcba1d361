"""Carriers, fulfilment, cancellations and billing: what may be decided, and what is decided if nothing is."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.orders.order_builder import mapping_with, sandbox_mapping
from tiktok_ns_pipeline.mapping import MappingError
from tiktok_ns_pipeline.mapping.follow_ups import CashSaleBilling, carrier_key, provider_among


def complaint(changes: str = "", shop: str = "") -> str:
    with pytest.raises(MappingError) as caught:
        mapping_with(changes, shop)
    return str(caught.value)


def test_what_is_not_decided_is_left_to_people_and_bills_nothing() -> None:
    mapping = mapping_with()
    shop = mapping.shops["us"]

    assert mapping.carriers == {}
    assert mapping.fulfilment.model_dump() == {
        "tracking_wait_hours": 24,
        "tracking_retry_minutes": (5, 30, 120),
        "watch_days": 14,
        "dispatch_warning_hours": 12,
        "late_rate_window_days": 7,
    }
    assert mapping.cancellations.cutoff == "picked"
    assert mapping.cancellations.requests.model_dump() == {
        "unfulfilled": "person",
        "fulfilled": "person",
        "reject_reason": "",
    }
    assert (shop.carriers, shop.handover, shop.billing.policy) == ({}, "drop_off", "none")


def test_the_sandbox_mapping_shows_each_policy_once() -> None:
    mapping = sandbox_mapping()

    policies = {code: shop.billing.policy for code, shop in mapping.shops.items()}
    assert policies == {"us": "cash_sale", "uk": "invoice", "vn": "none"}
    assert mapping.shops["us"].billing == CashSaleBilling(
        policy="cash_sale", account_id="125", since=date(2026, 1, 1)
    )
    requests = mapping.cancellations.requests
    assert (requests.unfulfilled, requests.fulfilled) == ("approve", "reject")


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("UPS Ground", "UPS"),
        ("  ups   ground ", "UPS"),
        ("ROYAL MAIL TRACKED 48", "Royal Mail"),
        ("UPS", None),
        ("", None),
        (None, None),
    ],
)
def test_a_carrier_is_found_whatever_its_case(text: str | None, provider: str | None) -> None:
    mapping = sandbox_mapping()

    assert mapping.provider_for(mapping.shops["us"], text) == provider


def test_the_shops_own_carriers_come_first() -> None:
    mapping = mapping_with("carriers: {UPS Ground: UPS, DHL: DHL}", "carriers: {ups ground: '117'}")
    shop = mapping.shops["us"]

    assert mapping.provider_for(shop, "UPS Ground") == "117"
    assert mapping.provider_for(shop, "dhl") == "DHL"


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=5), st.text())
def test_a_provider_is_found_exactly_when_the_name_is_listed(carriers: dict[str, str], text: str) -> None:
    listed = {carrier_key(name) for name in carriers}

    assert (provider_among(carriers, text) is not None) == (carrier_key(text) in listed)
    assert all(provider_among(carriers, name) is not None for name in carriers)


def test_a_market_may_have_its_own_reason_for_rejecting() -> None:
    mapping = sandbox_mapping()

    assert mapping.reject_reason_for(mapping.shops["us"]).endswith("cancel_reason_product_packed")
    assert mapping.reject_reason_for(mapping.shops["uk"]) == "seller_reject_apply_product_has_been_packed"


def test_a_decision_about_carriers_is_a_decision() -> None:
    assert mapping_with("carriers: {A: B}").fingerprint() != mapping_with().fingerprint()


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("carriers: {UPS Ground: UPS, ups  ground: FedEx}", "'UPS Ground' and 'ups  ground' are the same"),
        ("carriers: {' ': UPS}", "a carrier has no name; write `<ship method of NetSuite>:"),
        (
            "carriers: {UPS Ground: }",
            "carriers.UPS Ground: nothing does not fit; write here: TikTok shipping",
        ),
        ("carriers: [UPS]", "line 20, carriers: a list does not fit; write here: TikTok shipping providers"),
        ("fulfilment: {tracking_wait_hours: 0}", "tracking_wait_hours: Input should be greater than 0"),
        ("fulfilment: {tracking_wait_hours: 0}", "write here: hours that a shipped parcel may be without"),
        ("fulfilment: {watch_days: soon}", "fulfilment.watch_days: 'soon' does not fit; write here: days"),
        ("fulfilment: {dispatch_warning_hours: -1}", "dispatch_warning_hours: Input should be greater"),
        ("fulfilment: {late_rate_window_days: 0}", "late_rate_window_days: Input should be greater"),
        (
            "fulfilment: {tracking_retry_minutes: [5, 5]}",
            "fulfilment.tracking_retry_minutes: the minutes must ascend; write them like [5, 30, 120]",
        ),
        (
            "fulfilment: {tracking_retry_minutes: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}",
            "tracking_retry_minutes: Tuple should have at most 10 items",
        ),
        ("fulfilment: {tracking_retry_minutes: [0]}", "tracking_retry_minutes.0: Input should be greater"),
        ("fulfilment: {watch_day: 3}", "there is no such key here; did you mean `watch_days`?"),
        ("cancellations: {cutoff: delivered}", "'delivered' is not one of 'picked', 'packed' or 'shipped'"),
        ("cancellations: {requests: {unfulfilled: reject}}", "'reject' is not one of 'approve' or 'person'"),
        ("cancellations: {requests: {fulfilled: approve}}", "'approve' is not one of 'reject' or 'person'"),
        (
            "cancellations: {requests: {fulfilled: reject}}",
            "cancellations.requests: TikTok takes a rejection with one of its reasons only; "
            "write `reject_reason: ...`",
        ),
        (
            "cancellations: {requests: {fulfilled: reject, reject_reason: It is packed}}",
            "'It is packed' does not fit; write here: TikTok's name of the reason for rejecting",
        ),
    ],
)
def test_a_wrong_section_says_where_and_what_to_write(section: str, says: str) -> None:
    assert says in complaint(section)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("handover: courier", "shops.us.handover: 'courier' is not one of 'drop_off' or 'pickup'"),
        ("billing: {policy: cash_sale}", "account_id: this is missing; write `account_id: ...` (internal id"),
        ("billing: {policy: cash_sale, account_id: TikTok}", "billing.account_id: 'TikTok' does not fit"),
        ("billing: {policy: invoice, account_id: 125}", "billing.account_id: there is no such key here"),
        ("billing: {policy: later}", "write `policy:` with one of 'none', 'cash_sale', 'invoice'"),
        ("billing: {policy: invoice, since: today}", "billing.since: 'today' does not fit"),
        ("billing: {}", "write `policy:` with one of 'none', 'cash_sale', 'invoice'"),
        ("carriers: {A: B, a: C}", "shops.us.carriers: 'A' and 'a' are the same carrier"),
    ],
)
def test_a_wrong_decision_of_a_shop_says_where_and_what_to_write(key: str, says: str) -> None:
    assert says in complaint(shop=key)
