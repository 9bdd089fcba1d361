"""The judges themselves: what is wrong in the books, and at TikTok, is found and named."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.rigging import SOON, in_world, sales_orders
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line


def test_the_judge_names_what_is_lost_doubled_and_a_cent_off() -> None:
    async def story(rig: Rig) -> None:
        lost, doubled, wrong = (rig.world.place_order("us", [Line("SKU-001", 1, "10.00")]) for _ in range(3))
        await rig.run(SOON)
        assert rig.judged().is_clean
        by_order = {record["custbody_tts_order_id"]: record for record in sales_orders(rig)}
        rig.books.delete("salesOrder", by_order[lost]["id"])
        second = {
            name: by_order[doubled][name]
            for name in ("entity", "subsidiary", "currency", "custbody_tts_order_id", "otherRefNum")
        }
        line = {"item": {"id": "301"}, "quantity": 1, "price": {"id": "-1"}, "rate": 10}
        line["location"] = {"id": "6"}
        rig.books.create("salesOrder", {**second, "item": {"items": [line]}})
        cent = {"item": {"items": [{"line": 1, "rate": 10.01, "amount": 10.01}]}}
        rig.books.patch("salesOrder", by_order[wrong]["id"], cent)
        found = rig.judged()
        assert (found.lost, found.doubled, found.wrong_cents) == ([lost], [doubled], [wrong])

    in_world(story)


def test_the_judge_names_parcels_closures_and_bills_that_are_not_as_they_should_be() -> None:
    async def story(rig: Rig) -> None:
        order_ids = [rig.world.place_order("us", [Line("SKU-001", 1, "10.00")]) for _ in range(7)]
        unbilled, told_wrongly, billed_twice, untold, unclosed, closed_alive, too_late = order_ids
        await rig.run(SOON)
        for order_id in (unbilled, told_wrongly, billed_twice):
            rig.warehouse.fulfil(order_id)
        await rig.run_all(budget_s=600, idle_s=120)
        assert rig.judged_follow_ups().faults == {}
        assert rig.judged_follow_ups().told == rig.judged_follow_ups().bills == 3

        by_order = {record["custbody_tts_order_id"]: str(record["id"]) for record in sales_orders(rig)}
        bills = {bill["createdFrom"]["id"]: bill for bill in rig.books.records("cashSale")}
        rig.books.delete("cashSale", bills[by_order[unbilled]]["id"])
        rig.books.create("cashSale", _again(bills[by_order[billed_twice]]))
        [wrong] = [one for one in rig.warehouse.shipped() if one.order_id == told_wrongly]
        rig.warehouse.correct_tracking(wrong.fulfilment_id, ["1Z999AA10123456784"])
        rig.warehouse.fulfil(untold)
        rig.world.cancel_order(unclosed)
        rig.books.patch(
            "salesOrder", by_order[closed_alive], {"item": {"items": [{"line": 1, "isClosed": True}]}}
        )
        rig.world.cancel_order(too_late)
        await asyncio.sleep(2 * 3600)
        rig.warehouse.fulfil(too_late)
        assert rig.judged_follow_ups().faults == {
            "untold": [untold],
            "told_wrongly": [told_wrongly],
            "unclosed": [unclosed],
            "closed_alive": [closed_alive],
            "shipped_after_cancellation": [too_late],
            "unbilled": [unbilled, untold, too_late],
            "billed_twice": [billed_twice],
            "wrong_bills": [unbilled, billed_twice, untold, too_late],
        }

    in_world(story)


def _again(bill: dict[str, Any]) -> dict[str, Any]:
    """The same bill made by hand."""
    names = ("entity", "subsidiary", "currency", "account")
    line = {"item": {"id": "301"}, "quantity": 1, "price": {"id": "-1"}, "rate": 10, "location": {"id": "6"}}
    return {
        **{name: bill[name] for name in names},
        "createdFrom": bill["createdFrom"],
        "item": {"items": [line]},
    }
