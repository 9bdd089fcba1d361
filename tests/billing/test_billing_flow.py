"""The billing flow on the sandbox, in virtual time: what finance would see."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D

from tests.billing.shipped import Sale, bill
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line


def test_what_was_shipped_becomes_one_cash_sale_in_the_clearing_account() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "19.95", seller_discount="2.00"))
        shipped = sale.ship()
        report = await bill(rig)
        [record] = sale.bills
        assert record.type.name == "cashSale"
        assert record.get("externalId") == f"tts-us-cs-{sale.order_id}-{shipped}"
        assert record.get("account") == "125"
        assert record.get("custbody_tts_order_id") == sale.order_id
        assert sale.totals == [D("35.90")]
        assert sale.sales_order.get("status") == "G"
        assert (report.read_back, report.billed_amounts) == (1, {"USD": D("35.90")})
        assert exceptions(rig) == []

    in_world(story)


def test_an_invoice_where_the_shop_invoices_and_tax_to_the_penny() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 3, "9.99"), shop="uk")
        for line in [line for line in sale.sales_order.lines() if line["itemType"] == "InvtPart"]:
            for _ in range(int(line["quantity"])):
                sale.ship((line["line"], 1))
                await bill(rig)
        assert {record.type.name for record in sale.bills} == {"invoice"}
        order = sale.sales_order
        assert sum(sale.totals) == order.get("total")
        assert sum(record.get("taxTotal") for record in sale.bills) == order.get("taxTotal")
        assert exceptions(rig) == []

    in_world(story)


def test_parts_shipped_on_several_days_share_price_discount_and_shipping() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(
            rig, Line("SKU-001", 3, "10.00", seller_discount="0.33"), Line("SKU-002", 1, "5.00")
        )
        goods = [line["line"] for line in sale.sales_order.lines() if line["itemType"] == "InvtPart"]
        for part in ((goods[0], 1), (goods[1], 1), (goods[0], 2)):
            sale.ship(part)
            await bill(rig)
            await asyncio.sleep(86_400)
        assert len(sale.bills) == 3
        assert sum(sale.totals) == sale.sales_order.get("total")
        assert sale.sales_order.get("status") == "G"
        discounts = [
            [line["amount"] for line in record.lines() if line["itemType"] == "Discount"]
            for record in sale.bills
        ]
        assert discounts == [[D("-0.33")], [], [D("-0.66")]]
        assert len({record.get("tranDate") for record in sale.bills}) == 3
        assert exceptions(rig) == []

    in_world(story)


def test_shipments_that_are_found_together_are_billed_one_after_the_other() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 3, "10.00", seller_discount="0.10"))
        shipped = [sale.ship((1, 1)) for _ in range(3)]
        await bill(rig)
        assert [record.get("externalId").rpartition("-")[2] for record in sale.bills] == shipped
        assert sale.totals == [D("9.90")] * 3

    in_world(story)


def test_a_kit_is_billed_as_the_kit() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("KIT-001", 2, "30.00"))
        sale.ship((1, 1))
        await bill(rig)
        [record] = sale.bills
        assert [(line["itemType"], line["quantity"]) for line in record.lines()] == [("Kit", 1)]
        sale.ship()
        await bill(rig)
        assert sale.totals == [D("30.00"), D("30.00")]

    in_world(story)


def test_running_again_bills_nothing_again() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig)
        shipped = sale.ship()
        await bill(rig)
        await asyncio.sleep(3600)
        sale.land(shipped, tracking='[{"number": "1Z999"}]')
        report = await bill(rig)
        assert len(sale.bills) == 1
        assert report.dispatch.applied == {}

    in_world(story)


def test_what_is_only_picked_or_packed_is_not_billed() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig)
        packed = sale.ship(status="B")
        await bill(rig)
        assert sale.bills == []
        sale.take_back(packed, to="C")
        await bill(rig)
        assert len(sale.bills) == 1

    in_world(story)


def test_a_shop_without_billing_bills_nothing() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 1, "200000"), shop="vn")
        sale.ship()
        report = await bill(rig)
        assert (sale.bills, report.considered, exceptions(rig)) == ([], 0, [])

    in_world(story)
