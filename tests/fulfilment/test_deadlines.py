"""How orders stand against their dispatch deadlines, and who hears of one that was missed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import SetClock
from tests.fulfilment.shipping_desk import posted, ship, tell
from tests.orders.order_builder import sandbox_mapping
from tests.rigging import SOON, exceptions, in_world, kinds
from tiktok_ns_pipeline.fulfilment.deadlines import Punctuality, punctuality
from tiktok_ns_pipeline.fulfilment.missed import unshipped_orders
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.tiktok.models import Order

NOW = datetime(2026, 8, 10, 12, tzinfo=UTC)


def order(order_id: str, hours_left: float, status: str = "AWAITING_SHIPMENT", **fields: Any) -> Order:
    deadline = int((NOW + timedelta(hours=hours_left)).timestamp())
    return Order.parse({"id": order_id, "status": status, "rts_sla_time": deadline, **fields})


def stand(*orders: Order) -> Punctuality:
    return punctuality(
        [("us", each) for each in orders], NOW, warning=timedelta(hours=12), window=timedelta(days=7)
    )


def test_the_order_with_the_least_time_left_is_first():
    found = stand(order("1", 5), order("2", 1), order("3", 30), order("4", -2))
    assert [each.order_id for each in found.pressing] == ["4", "2", "1"]
    assert (found.overdue, found.looked_at) == (1, 4)


def test_shipped_cancelled_and_tiktoks_own_orders_do_not_press():
    own = order("3", 1, fulfillment_type="FULFILLMENT_BY_TIKTOK")
    assert stand(order("1", 1, "IN_TRANSIT"), order("2", 1, "CANCELLED"), own).pressing == ()


def test_the_projected_rate_counts_what_was_late_and_what_will_be():
    shipped_late = order("1", -24, "DELIVERED", rts_time=int(NOW.timestamp()))
    in_time = order("2", -24, "DELIVERED", rts_time=int((NOW - timedelta(hours=30)).timestamp()))
    found = stand(shipped_late, in_time, order("3", 2), order("4", 48))
    assert (found.late, found.counted) == (2, 3)
    assert round(found.late_rate, 3) == 0.667


def test_without_orders_there_is_nothing_to_tell():
    assert (stand().looked_at, stand().late_rate) == (0, 0.0)


def test_of_thousands_of_orders_those_that_are_unshipped_now_are_told(tmp_path: Path):
    lake = Lake(str(tmp_path), SetClock(NOW), durable=False)
    us, uk = (sandbox_mapping().shops[code] for code in ("us", "uk"))

    def land(shop: str, days_ago: int, status: str, names: Iterable[str], payload: str = "") -> None:
        rows = [
            {
                "channel": "tiktok",
                "order_id": name,
                "status": status,
                "payload": payload or f'{{"id": "{name}", "status": "{status}"}}',
                "read_at": NOW,
            }
            for name in names
        ]
        day = (NOW - timedelta(days=days_ago)).date()
        lake.land(RAW_TIKTOK_ORDERS, rows, shop=shop, day=day, run_id="run")

    many = [f"{number}" for number in range(1000, 2100)]
    land("us", 3, "AWAITING_SHIPMENT", many)
    land("us", 3, "DELIVERED", ["1500", "1501"])
    land("uk", 45, "PARTIALLY_SHIPPING", ["45"])
    land("uk", 46, "AWAITING_SHIPMENT", ["46"])
    land("uk", 0, "AWAITING_SHIPMENT", ["1"], payload='{"id": []}')
    land("uk", 0, "CANCELLED", ["2"])
    left = [("us", name) for name in many if name not in ("1500", "1501")]
    told = [(shop, each.id) for shop, each in unshipped_orders(lake, [us, uk], NOW)]
    assert told == [*left, ("uk", "45")]


def test_a_missed_deadline_is_told_until_the_order_is_shipped() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        await asyncio.sleep(49 * 3600)
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.subject) == ("dispatch_deadline_missed", f"order {order_id}")
        ship(rig, order_id)
        await tell(rig)
        await rig.run(SOON)
        await asyncio.sleep(400)
        await tell(rig)
        assert kinds(rig) == []

    in_world(story, mix=Mix(shipped_by="nobody"))
