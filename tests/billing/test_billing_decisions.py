"""What becomes of shipments that are taken back, billed by hand, dated into shut months, or too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.billing.shipped import Sale, bill
from tests.rigging import exceptions, in_world, kinds
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import NETSUITE_BILLS, STAGED_BILLS
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig
from tiktok_ns_pipeline.sandbox.world import Line

TRANSFORM = "POST /services/rest/record/v1/salesOrder"
A_MOMENT = TurnRequest(budget_s=6, idle_s=10)


def mapped(rig: Rig, folder: Path, change: Callable[[str], str]) -> None:
    """Let the rig's pipeline work by a changed mapping."""
    text = rig.settings.mapping_path.read_text()
    changed = change(text)
    assert changed != text
    path = folder / "mapping.yaml"
    path.write_text(changed)
    rig.settings = replace(rig.settings, mapping_path=path)


def month(rig: Rig, later: int = 0) -> str:
    """Name of the accounting period of today, or of a later month."""
    day = rig.clock.now().date().replace(day=1)
    for _ in range(later):
        day = (day + timedelta(days=32)).replace(day=1)
    return f"{day:%b %Y}"


def replay(rig: Rig) -> None:
    """Finance asks for everything open to be tried again."""
    ids = [one.id for one in exceptions(rig)]
    ledger = rig.ledger()
    with ledger.begin() as tx:
        tx.exceptions.request_replay(ids, "finance")
    ledger.close()


class TestTakenBack:
    @pytest.mark.parametrize("to", [None, "A"])
    def test_before_its_bill_was_sent_nothing_is_billed(self, to: str | None) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            shipped = sale.ship()
            rig.faults.inject(FaultKind.http_429, "netsuite", TRANSFORM, times=50)
            await bill(rig, A_MOMENT)
            rig.faults.stop()
            sale.take_back(shipped, to=to)
            await bill(rig)
            assert (sale.bills, exceptions(rig)) == ([], [])
            if to is not None:
                sale.take_back(shipped, to="C")
                await bill(rig)
                assert len(sale.bills) == 1

        in_world(story)

    @pytest.mark.parametrize("to", [None, "B"])
    def test_after_it_was_billed_finance_is_told(self, to: str | None) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            shipped = sale.ship()
            await bill(rig)
            sale.take_back(shipped, to=to)
            await bill(rig)
            [told] = exceptions(rig)
            assert (told.kind, told.owner) == ("unbillable_fulfilment", "finance")
            assert told.subject == f"bill {sale.order_id}.{shipped}"
            assert "billed, but no longer shipped" in told.message
            assert len(sale.bills) == 1
            if to is not None:
                sale.take_back(shipped, to="C")
                await bill(rig)
                assert exceptions(rig) == []

        in_world(story)

    def test_what_is_shipped_anew_instead_is_billed(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            packed = sale.ship(status="B")
            sale.take_back(packed)
            sale.ship()
            await bill(rig)
            assert sale.totals == [D("10.00")]
            assert exceptions(rig) == []

        in_world(story)


class TestByHand:
    def test_an_order_that_was_billed_by_hand_is_told_once_and_not_tried_for_ever(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            sale.ship()
            rig.books.transform("salesOrder", sale.sales_order.id, "cashSale", {"account": {"id": "125"}})
            await bill(rig)
            [told] = exceptions(rig)
            assert told.kind == "unbillable_fulfilment"
            assert "was billed already, by hand or by another tool" in told.message
            await asyncio.sleep(3600)
            report = await bill(rig)
            assert (len(sale.bills), report.dispatch.retried, report.dispatch.parked) == (1, 0, 0)

        in_world(story)

    def test_once_finance_has_resolved_it_nobody_is_told_again(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            shipped = sale.ship()
            rig.books.transform("salesOrder", sale.sales_order.id, "cashSale", {"account": {"id": "125"}})
            await bill(rig)
            [told] = exceptions(rig)
            ledger = rig.ledger()
            with ledger.begin() as tx:
                tx.exceptions.resolve(told.id, "Cash Sale CS10001", "finance")
            ledger.close()
            sale.land(shipped, tracking='[{"number": "1Z999"}]')
            await bill(rig)
            assert exceptions(rig) == []

        in_world(story)

    def test_a_bill_made_by_hand_while_ours_waited_parks_ours(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            sale.ship()
            rig.faults.inject(FaultKind.http_429, "netsuite", TRANSFORM, times=50)
            await bill(rig, A_MOMENT)
            rig.faults.stop()
            rig.books.transform("salesOrder", sale.sales_order.id, "cashSale", {"account": {"id": "125"}})
            await asyncio.sleep(60)
            await bill(rig)
            assert (kinds(rig), len(sale.bills)) == (["unbillable_fulfilment"], 1)

        in_world(story)

    def test_once_the_bill_made_by_hand_is_deleted_a_replay_bills(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            sale.ship()
            by_hand = rig.books.transform(
                "salesOrder", sale.sales_order.id, "cashSale", {"account": {"id": "125"}}
            ).record
            await bill(rig)
            rig.books.delete("cashSale", by_hand.id)
            replay(rig)
            await bill(rig)
            assert (exceptions(rig), sale.totals) == ([], [D("10.00")])

        in_world(story)


class TestPeriods:
    def test_a_shut_month_moves_the_bill_to_the_next_open_one_and_says_the_true_day(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            sale.ship()
            rig.books.set_period(month(rig), "receivables locked")
            await bill(rig)
            [record] = sale.bills
            first = (rig.clock.now().date().replace(day=1) + timedelta(days=32)).replace(day=1)
            assert record.get("tranDate") == first.isoformat()
            shipped_on = rig.books.made_from(sale.sales_order.id, "itemFulfillment")[0].get("tranDate")
            assert f"shipped on {shipped_on}" in record.get("memo")
            assert exceptions(rig) == []

        in_world(story)

    @pytest.mark.parametrize("state", ["receivables locked", "locked", "closed"])
    def test_a_month_that_closes_between_staging_and_saving_is_not_parked(self, state: str) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            sale.ship()
            rig.faults.inject(FaultKind.http_429, "netsuite", TRANSFORM, times=50)
            await bill(rig, A_MOMENT)
            rig.faults.stop()
            rig.books.set_period(month(rig), state)  # pyright: ignore[reportArgumentType]
            await asyncio.sleep(300)
            report = await bill(rig)
            assert len(sale.bills) == 1
            assert sale.bills[0].get("tranDate") > rig.clock.now().date().isoformat()
            assert (report.dispatch.parked, exceptions(rig)) == (0, [])

        in_world(story)

    def test_without_any_open_month_finance_is_told_and_an_opened_one_bills_by_itself(self) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig)
            sale.ship()
            for later in range(12 * (2030 - rig.clock.now().year) + 13 - rig.clock.now().month):
                rig.books.set_period(month(rig, later), "closed")
            await bill(rig)
            assert (kinds(rig), sale.bills) == (["no_open_period"], [])
            rig.books.set_period(month(rig), "open")
            await asyncio.sleep(600)
            await bill(rig)
            assert (exceptions(rig), len(sale.bills)) == ([], 1)

        in_world(story)


class TestGoingLive:
    def test_what_shipped_before_billing_was_switched_on_is_left_alone(self, tmp_path: Path) -> None:
        async def story(rig: Rig) -> None:
            mapped(
                rig, tmp_path, lambda text: text.replace("policy: invoice, since: 2026-01-01", "policy: none")
            )
            early = await Sale.placed(rig, shop="uk")
            early.ship()
            await bill(rig)
            await asyncio.sleep(3 * 86_400)
            rig.settings = replace(rig.settings, mapping_path=MAPPING)
            mapped(
                rig,
                tmp_path,
                lambda text: text.replace("policy: invoice, since: 2026-01-01", "policy: invoice"),
            )
            late = await Sale.placed(rig, shop="uk")
            late.ship()
            report = await bill(rig)
            assert (early.bills, len(late.bills), report.plan.skipped) == ([], 1, 1)
            assert exceptions(rig) == []

            # With an earlier first day, the seller says that nobody has billed them.
            rig.settings = replace(rig.settings, mapping_path=MAPPING)
            await bill(rig)
            assert (len(early.bills), len(late.bills)) == (1, 1)

        in_world(story)

    def test_billing_that_is_switched_off_sends_nothing_more(self, tmp_path: Path) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig, shop="uk")
            sale.ship()
            rig.faults.inject(FaultKind.http_429, "netsuite", TRANSFORM, times=50)
            await bill(rig, A_MOMENT)
            rig.faults.stop()
            mapped(
                rig, tmp_path, lambda text: text.replace("policy: invoice, since: 2026-01-01", "policy: none")
            )
            report = await bill(rig)
            assert (sale.bills, report.plan.withdrawn) == ([], 1)

        in_world(story)

    def test_with_billing_switched_off_nobody_is_asked_about_bills_that_nobody_wants(
        self, tmp_path: Path
    ) -> None:
        async def story(rig: Rig) -> None:
            sale = await Sale.placed(rig, shop="uk")
            sale.ship()
            rig.books.transform("salesOrder", sale.sales_order.id, "invoice", {})
            await bill(rig)
            assert kinds(rig) == ["unbillable_fulfilment"]
            mapped(
                rig,
                tmp_path,
                lambda text: text.replace("policy: invoice, since: 2026-01-01", "policy: none"),
            )
            await bill(rig)
            assert exceptions(rig) == []

        in_world(story)

    def test_the_lake_tells_what_became_of_each_shipment(self) -> None:
        async def story(rig: Rig) -> None:
            sold, taken_back = await Sale.placed(rig), await Sale.placed(rig)
            sold.ship()
            shipped = taken_back.ship()
            rig.faults.inject(FaultKind.http_429, "netsuite", TRANSFORM, times=50)
            await bill(rig, A_MOMENT)
            rig.faults.stop()
            taken_back.take_back(shipped)
            await asyncio.sleep(60)
            await bill(rig)
            lake = Lake(rig.settings.lake_url, rig.clock)
            staged = {row["order_id"]: row for row in lake.current(STAGED_BILLS)}
            [billed] = lake.current(NETSUITE_BILLS)
            lake.close()
            assert staged[sold.order_id]["outcome"] == "staged"
            assert staged[sold.order_id]["expected_total"] == D("10.00")
            assert staged[taken_back.order_id]["outcome"] == "withdrawn"
            assert (billed["order_id"], billed["record_type"]) == (sold.order_id, "cashSale")
            assert billed["expected_total"] == billed["billed_total"] == D("10.00")

        in_world(story)


def test_a_bill_that_comes_to_something_else_is_told_with_both_amounts_and_read_again_on_replay() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"))
        sale.ship()
        rig.faults.inject(FaultKind.http_429, "netsuite", TRANSFORM, times=50)
        await bill(rig, A_MOMENT)
        rig.faults.stop()
        # Somebody adds shipping to the Sales Order, which NetSuite puts on its first bill.
        added = {"shipMethod": {"id": "4721"}, "shippingCost": D("5.00")}
        rig.books.patch("salesOrder", sale.sales_order.id, added)
        await asyncio.sleep(60)
        await bill(rig)
        [told] = exceptions(rig)
        assert (told.kind, told.owner, told.cause) == ("bill_differs", "finance", "total")
        assert "comes to 25" in told.message
        assert "shipped was 20.00 USD" in told.message

        replay(rig)
        await bill(rig)
        assert [one.replay_requested_at for one in exceptions(rig)] == [None]
        assert len(sale.bills) == 1

    in_world(story)


def test_a_bill_that_was_deleted_is_told_and_made_once_more_when_finance_asks() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig)
        shipped = sale.ship()
        await bill(rig)
        rig.books.delete("cashSale", sale.bills[0].id)
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.links.read_again([FactKey("tiktok", "us", BILL, f"{sale.order_id}.{shipped}")])
        ledger.close()
        await bill(rig)
        assert exceptions(rig) == []  # a query may lag; the bill itself is asked for later
        await asyncio.sleep(3600)
        await bill(rig)
        assert [(one.kind, one.cause) for one in exceptions(rig)] == [("bill_differs", "deleted")]
        assert sale.bills == []
        replay(rig)
        await bill(rig)
        assert (sale.totals, exceptions(rig)) == ([D("10.00")], [])

    in_world(story)


def test_what_stands_beside_the_lines_goes_to_the_first_bill() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"))
        added = {"shipMethod": {"id": "4721"}, "shippingCost": D("5.00")}
        rig.books.patch("salesOrder", sale.sales_order.id, added)
        sale.ship((1, 1))
        await bill(rig)
        sale.ship()
        await bill(rig)
        assert sale.totals == [D("15.00"), D("10.00")]
        assert exceptions(rig) == []

    in_world(story)
