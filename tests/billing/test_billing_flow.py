"""The billing flow on the sandbox, in virtual time: what finance would see."""

from __future__ import annotations

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
