"""How packages are asked for and shipped (T 4.1-4.5)."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tiktok.samples import sample
from tests.tiktok.scripted_shop import SHOP, Rig, ok, outcome, refusal
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAmbiguous,
    TikTokRefused,
    TikTokUnknownError,
    WireError,
)
from tiktok_ns_pipeline.tiktok.fulfilment_models import PickupSlot
from tiktok_ns_pipeline.tiktok.meanings import meaning_of

_SEARCH, _DETAIL = sample("oas_fulfillment_package_search_detail.json")
_SPLIT = {entry["endpoint"]: entry for entry in sample("oas_fulfillment_split_combine.json")}
_SHIP = {entry["endpoint"]: entry for entry in sample("oas_fulfillment_ship.json")}
_SLOTS = sample("oas_fulfillment_tracking_documents.json")[2]["response"]["data"]
_PROVIDERS = sample("oas_logistics.json")[2]["response"]["data"]
_SLOT = PickupSlot.model_validate({"start_time": 1623812664, "end_time": 1623816264, "avaliable": True})
_TRACKING, _PROVIDER = "JX12345", "6617675021119438849"

Call = Callable[[TikTokClient], Awaitable[Any]]
WRITES: dict[str, Call] = {
    "ship_package": lambda client: client.fulfilment.ship_package(SHOP, "11", "DROP_OFF"),
    "mark_as_shipped": lambda client: client.fulfilment.mark_as_shipped(SHOP, "22", _TRACKING, _PROVIDER),
    "update_order": lambda client: client.fulfilment.update_order_shipping_info(
        SHOP, "22", _TRACKING, _PROVIDER
    ),
    "update_package": lambda client: client.fulfilment.update_package_shipping_info(
        SHOP, "11", _TRACKING, _PROVIDER
    ),
    "split_order": lambda client: client.fulfilment.split_order(SHOP, "22", {"1": ["a"]}),
    "approve": lambda client: client.cancellations.approve(SHOP, "33", "key"),
    "reject": lambda client: client.cancellations.reject(SHOP, "33", "key", "reason"),
    "register": lambda client: client.webhooks.register(SHOP, "ORDER_STATUS_CHANGE", "https://a.example"),
    "delete": lambda client: client.webhooks.delete(SHOP, "ORDER_STATUS_CHANGE"),
}


async def _packages(client: TikTokClient, *bounds: datetime) -> list[Page]:
    return [page async for page in client.fulfilment.search_packages(SHOP, *bounds)]


def _sent(made: Rig) -> tuple[str, str, Any]:
    (asked,) = made.shop.asked
    return asked.method, asked.path, json.loads(asked.body) if asked.body else None


def test_packages_are_searched_by_their_last_change_oldest_first() -> None:
    since, until = from_epoch(1635338000), from_epoch(1635339000)
    answer = {**_SEARCH["response"]["data"], "next_page_token": ""}
    pages, made = outcome(lambda client: _packages(client, since, until), ok(answer))
    assert [page.rows for page in pages] == [answer["packages"]]
    assert (pages[0].total_count, pages[0].request_id) == (221, "R1")
    assert _sent(made) == (
        "POST",
        "/fulfillment/202309/packages/search",
        {"update_time_ge": 1635338000, "update_time_lt": 1635339000},
    )
    query = made.shop.asked[0].query
    assert (query["page_size"], query["sort_field"], query["sort_order"]) == ("50", "update_time", "ASC")
    assert query["shop_cipher"] == SHOP.cipher


def test_every_page_of_packages_is_read_and_one_that_leads_to_itself_is_refused() -> None:
    pages, made = outcome(
        _packages, ok({"packages": [{"id": "1"}], "next_page_token": "A"}), ok({"packages": [{"id": "2"}]})
    )
    assert [row["id"] for page in pages for row in page.rows] == ["1", "2"]
    assert made.shop.asked[1].query["page_token"] == "A"
    failure, _ = outcome(_packages, ok({"packages": [{"id": "1"}], "next_page_token": "A"}))
    assert isinstance(failure, TikTokUnknownError)


def test_a_package_is_read_alone() -> None:
    answer = _DETAIL["response"]["data"]
    found, made = outcome(lambda client: client.fulfilment.package(SHOP, "5433567853345"), ok(answer))
    assert found["package_status"] == "PROCESSING"
    assert _sent(made) == ("GET", "/fulfillment/202309/packages/5433567853345", None)


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ({"handover_method": "DROP_OFF"}, {"handover_method": "DROP_OFF"}),
        (
            {"handover_method": "PICKUP", "pickup_slot": _SLOT},
            {
                "handover_method": "PICKUP",
                "pickup_slot": {"start_time": 1623812664, "end_time": 1623816264},
            },
        ),
        (
            {"self_shipment": (_TRACKING, _PROVIDER)},
            {"self_shipment": {"tracking_number": _TRACKING, "shipping_provider_id": _PROVIDER}},
        ),
        ({}, None),
    ],
    ids=["dropped off", "picked up in a slot", "the seller's carrier", "as TikTok has it"],
)
def test_a_package_is_shipped_the_way_that_is_named(arguments: dict[str, Any], body: Any) -> None:
    done, made = outcome(lambda client: client.fulfilment.ship_package(SHOP, "11", **arguments), ok({}))
    assert done is None
    assert _sent(made) == ("POST", "/fulfillment/202309/packages/11/ship", body)


def test_units_are_marked_as_shipped_and_the_answer_names_package_and_warning() -> None:
    answer = _SHIP["POST /fulfillment/202309/orders/{order_id}/packages"]["response"]["data"]
    data, made = outcome(
        lambda client: client.fulfilment.mark_as_shipped(SHOP, "22", _TRACKING, _PROVIDER, ["1", "2"]),
        ok(answer),
    )
    assert (data["package_id"], data["warning"]["message"]) == (
        "32141235124234",
        "match more than one provider",
    )
    assert _sent(made) == (
        "POST",
        "/fulfillment/202309/orders/22/packages",
        {"tracking_number": _TRACKING, "shipping_provider_id": _PROVIDER, "order_line_item_ids": ["1", "2"]},
    )


def test_without_units_named_all_that_are_open_are_marked_as_shipped() -> None:
    _, made = outcome(WRITES["mark_as_shipped"], ok({}))
    assert "order_line_item_ids" not in _sent(made)[2]


@pytest.mark.parametrize(("call", "path"), [("update_order", "orders/22"), ("update_package", "packages/11")])
def test_tracking_is_corrected_by_order_or_by_package(call: str, path: str) -> None:
    _, made = outcome(WRITES[call], ok({}))
    body = {"tracking_number": _TRACKING, "shipping_provider_id": _PROVIDER}
    assert _sent(made) == ("POST", f"/fulfillment/202309/{path}/shipping_info/update", body)


def test_whether_orders_may_be_split_is_asked_for_all_of_them_at_once() -> None:
    answer = _SPLIT["GET /fulfillment/202309/orders/split_attributes"]["response"]["data"]
    (found,), made = outcome(lambda client: client.fulfilment.split_attributes(SHOP, ["1", "2"]), ok(answer))
    assert (found.order_id, found.can_split, found.must_split) == ("556643423444", False, False)
    assert found.reason == "Order has been canceled"
    assert made.shop.asked[0].query["order_ids"] == "1,2"


def test_a_split_tells_which_package_holds_which_of_our_groups() -> None:
    answer = _SPLIT["POST /fulfillment/202309/orders/{order_id}/split"]["response"]["data"]
    groups = {"123": ["57646237751283022"], "124": ["576462377512830223"]}
    packages, made = outcome(lambda client: client.fulfilment.split_order(SHOP, "22", groups), ok(answer))
    assert packages == {"123": "223362377512830222"}
    assert _sent(made)[2] == {
        "splittable_groups": [
            {"id": "123", "order_line_item_ids": ["57646237751283022"]},
            {"id": "124", "order_line_item_ids": ["576462377512830223"]},
        ]
    }


def test_handover_slots_are_read_as_tiktok_spells_them() -> None:
    slots, made = outcome(lambda client: client.fulfilment.handover_time_slots(SHOP, "11"), ok(_SLOTS))
    (slot,) = slots.pickup_slots
    assert (slots.can_pickup, slots.can_drop_off, slot.is_available) == (True, True, True)
    assert slot.start_time == datetime(2021, 6, 16, 3, 4, 24, tzinfo=UTC)
    assert made.shop.asked[0].path == "/fulfillment/202309/packages/11/handover_time_slots"


def test_a_slot_without_its_end_is_refused_by_package_and_field() -> None:
    broken = {"pickup_slots": [{"start_time": 1623812664}]}
    with pytest.raises(WireError, match=r"handover of package 11: pickup_slots\[0\]\.end_time is missing"):
        outcome(lambda client: client.fulfilment.handover_time_slots(SHOP, "11"), ok(broken))


def test_the_carriers_of_a_delivery_option_are_listed() -> None:
    found, made = outcome(lambda client: client.fulfilment.shipping_providers(SHOP, "44"), ok(_PROVIDERS))
    assert found == [("7117858858072016686", "USPS")]
    assert made.shop.asked[0].path == "/logistics/202309/delivery_options/44/shipping_providers"


def test_warehouses_say_whether_they_sell() -> None:
    rows = [
        {"id": "1", "name": "Returns", "type": "RETURN_WAREHOUSE", "effect_status": "ENABLED"},
        {"id": "2", "name": "Main", "type": "SALES_WAREHOUSE", "effect_status": "ENABLED"},
        {"id": "3", "name": "On holiday", "type": "SALES_WAREHOUSE", "effect_status": "RESTRICTED"},
        {"id": "4", "name": "Given up", "type": "SALES_WAREHOUSE", "effect_status": "DISABLED"},
    ]
    found, made = outcome(lambda client: client.fulfilment.warehouses(SHOP), ok({"warehouses": rows}))
    assert [(one.id, one.sells) for one in found] == [("1", False), ("2", True), ("3", True), ("4", False)]
    assert made.shop.asked[0].path == "/logistics/202309/warehouses"


def test_an_option_of_tiktoks_own_carrier_has_no_carriers_to_name() -> None:
    failure, _ = outcome(lambda client: client.fulfilment.shipping_providers(SHOP, "44"), refusal(21008117))
    assert isinstance(failure, TikTokRefused)
    assert meaning_of(failure.code) == "channel_ships"


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("answer", [refusal(36009003), refusal(21001008), refusal(25007002)])
def test_a_write_whose_outcome_is_unclear_is_ambiguous_and_sent_once(write: Call, answer: Any) -> None:
    failure, made = outcome(write, answer)
    assert isinstance(failure, TikTokAmbiguous)
    assert len(made.shop.asked) == 1


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_that_is_refused_tells_the_code(write: Call) -> None:
    failure, made = outcome(write, refusal(21011044))
    assert isinstance(failure, TikTokRefused)
    assert meaning_of(failure.code) == "on_hold"
    assert len(made.shop.asked) == 1
