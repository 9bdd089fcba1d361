"""Which flow each type of event wakes, and what a flow takes from the inbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.webhooks.conftest import SHOP_ID, body_of
from tiktok_ns_pipeline.flows.inbox import ANY_SHOP, FLOW_OF_TYPE, STOCK, taken
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.inbox import NewEvent
from tiktok_ns_pipeline.webhooks.events import UNREADABLE, event_of


def event(number: int, data: dict[str, Any], shop_id: str = SHOP_ID, identity: str | None = None) -> bytes:
    about = {"type": number, "shop_id": shop_id, "timestamp": 1785758400, "data": data}
    return json.dumps({**about, "tts_notification_id": identity or str(hash(str(about)))}).encode()


def order(status: str, order_id: str = "5764") -> bytes:
    return event(1, {"order_id": order_id, "order_status": status, "update_time": 1785758400})


def test_a_changed_order_wakes_the_orders_and_a_cancelled_one_the_closures() -> None:
    for status in ("UNPAID", "ON_HOLD", "AWAITING_SHIPMENT", "DELIVERED", "SOMETHING_NEW"):
        assert event_of(order(status)).flow == "orders"
    assert event_of(order("CANCEL")).flow == "closures"


@pytest.mark.parametrize(
    ("number", "data", "flow", "subject"),
    [
        (3, {"order_id": "1"}, "orders", "order 1"),
        (4, {"package_list": [{"package_id": "2", "order_id_list": ["1"]}]}, "shipments", "package 2"),
        (11, {"order_id": "1", "cancel_id": "3"}, "closures", "cancellation 3"),
        (12, {"order_id": "1", "return_id": "4"}, "refunds", "return 4"),
        (64, {"aftersales_request_id": "5"}, "refunds", "aftersales request 5"),
        (65, {"rma_id": "6", "aftersales_request_id": "5"}, "refunds", "return 6"),
        (67, {"rma_id": "6", "line_items": [{"main_order_id": "1"}]}, "refunds", "return 6"),
        (5, {"product_id": 576486316948490000}, "stock", "product 576486316948490000"),
        (15, {"product_id": "7", "changed_fields": ["skus"]}, "stock", "product 7"),
        (16, {"product_id": 7, "product_types": ["GPR_PRODUCT"]}, "stock", "product 7"),
        (24, {"goods_id": "9", "sku_id": "8"}, "stock", "sku 8"),
        (37, {"product_id": 7, "audit": {"status": "APPROVED"}}, "stock", "product 7"),
        (71, {"product_id": 7, "sku_id": 8, "event_id": "e"}, "stock", "sku 8"),
        (6, {"message": "deauthorized"}, "", "event of type 6"),
    ],
)
def test_each_type_has_its_flow_and_subject(number: int, data: Any, flow: str, subject: str) -> None:
    row = event_of(event(number, data))
    assert (row.flow, row.subject, row.event_type) == (flow, subject, str(number))
    assert bool(row.note) is (flow == "")


@pytest.mark.parametrize("number", [13, 14, 33, 17, 99, 4711])
def test_of_what_may_carry_a_buyers_words_only_the_fact_is_kept(number: int) -> None:
    row = event_of(event(number, {"content": "call me on 0044"}))
    assert (row.flow, row.body) == ("", "")
    assert "0044" not in str(row)
    assert "not kept" in row.note


def test_thin_events_are_kept_as_they_came() -> None:
    body = json.dumps(json.loads(order("UNPAID")), indent=3).encode()
    assert event_of(body).body == body.decode()


def test_the_same_event_without_a_notification_id_is_known_by_its_bytes() -> None:
    bare = b'{"type":3,"shop_id":"7495","timestamp":1644412885,"data":{"order_id":"5764","update_time":1}}'
    first, retry = event_of(bare), event_of(bare)
    assert first.notification_id == retry.notification_id
    assert event_of(bare.replace(b"5764", b"5765")).notification_id != first.notification_id


def test_an_event_for_a_flow_that_names_nothing_or_no_shop_is_unreadable() -> None:
    for body in (event(11, {"cancel_status": "PENDING"}), event(1, {"order_id": "1"}, shop_id="")):
        row = event_of(body)
        assert row.flow == ""
        assert row.note.startswith(UNREADABLE)


def test_stock_in_tiktoks_warehouses_is_the_sellers_and_names_no_shop() -> None:
    row = event_of(event(24, {"goods_id": "9", "sku_id": "8"}, shop_id=""))
    assert (row.flow, row.shop_id, row.subject) == ("stock", ANY_SHOP, "sku 8")
    assert event_of(event(24, {}, shop_id="")).note.startswith(UNREADABLE)


def stored(ledger: Ledger, *bodies: bytes) -> None:
    with ledger.begin() as tx:
        for body in bodies:
            tx.inbox.store([event_of(body)])


def test_a_flow_takes_each_id_once_by_shop_and_marks_handled_what_it_planned(ledger: Ledger) -> None:
    stored(
        ledger,
        order("UNPAID", "20"),
        event(3, {"order_id": "10"}),
        order("ON_HOLD", "20"),
        event(3, {"order_id": "30"}, shop_id="7496"),
        order("CANCEL", "40"),
    )
    with ledger.begin() as tx:
        hints = taken(tx, "orders", 100)
        assert hints.by_shop[SHOP_ID].order_ids == ("20", "10")
        assert hints.by_shop["7496"].order_ids == ("30",)
        assert hints.order_ids == ("20", "10", "30")
        assert taken(tx, "orders", 100, ["7496"]).order_ids == ("30",)
        assert taken(tx, "orders", 1).order_ids == ("20",)
        tx.inbox.handled(hints.inbox_ids)
        assert taken(tx, "orders", 100).inbox_ids == ()
        assert taken(tx, "closures", 100).order_ids == ("40",)


def test_a_flow_takes_cancellations_and_packages_with_their_orders(ledger: Ledger) -> None:
    packages = [{"package_id": "7", "order_id_list": ["1", "2"]}, {"package_id": "8", "order_id_list": ["2"]}]
    stored(ledger, event(11, {"order_id": "1", "cancel_id": "3"}), event(4, {"package_list": packages}))
    with ledger.read() as tx:
        closures, shipments = taken(tx, "closures", 10), taken(tx, "shipments", 10)
    assert (closures.cancel_ids, closures.order_ids) == (("3",), ("1",))
    assert shipments.by_shop[SHOP_ID].package_ids == ("7", "8")
    assert shipments.order_ids == ("1", "2")


def changed_stock(sku_id: str, second: int) -> bytes:
    """An event of type 68, which has neither type nor envelope."""
    about = {"seller_id": "7498", "product_id": "17", "sku_id": sku_id}
    at = f"2026-04-02T09:28:{second:02}.979101552Z"
    return json.dumps({"event_id": f"e-{sku_id}-{second}", "occurred_at": at, **about}).encode()


def test_stock_takes_products_and_skus_and_those_that_name_no_shop_apart(ledger: Ledger) -> None:
    stored(
        ledger,
        event(15, {"product_id": "17"}),
        event(71, {"product_id": "17", "sku_id": "8"}),
        changed_stock("8", 34),
        changed_stock("8", 36),
        changed_stock("9", 35),
        order("UNPAID"),
    )
    with ledger.read() as tx:
        hints = taken(tx, STOCK, 100, [SHOP_ID, ANY_SHOP])
        assert len(taken(tx, STOCK, 100, [SHOP_ID]).inbox_ids) == 2
    of_shop, of_seller = hints.by_shop[SHOP_ID], hints.by_shop[ANY_SHOP]
    assert (of_shop.product_ids, of_shop.sku_ids) == (("17",), ("8",))
    assert (of_seller.product_ids, of_seller.sku_ids) == (("17",), ("8", "9"))
    assert of_seller.skus_told_at["8"] == datetime(2026, 4, 2, 9, 28, 36, 979101, tzinfo=UTC)
    assert hints.order_ids == ()


def test_an_event_that_a_newer_version_cannot_read_is_handled_without_hints(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.inbox.store([NewEvent("n1", "tiktok", SHOP_ID, "1", "order 1", "orders", "{", "")])
        tx.inbox.store([event_of(body_of(5))])
        hints = taken(tx, "orders", 10)
        assert len(hints.inbox_ids) == 2
        assert hints.order_ids == ("576400000000000005",)


def test_refunds_wait_for_the_flow_that_will_take_them(ledger: Ledger) -> None:
    stored(ledger, event(12, {"order_id": "1", "return_id": "4"}))
    with ledger.read() as tx:
        assert tx.inbox.is_waiting(FLOW_OF_TYPE[12])
