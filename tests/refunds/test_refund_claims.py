"""A claim says of TikTok's own return what the world's truth says of it."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from tests.refunds.refund_desk import REFUND, RETURN, sandbox_mapping
from tests.sandbox.finance_calls import delivered, pass_days
from tests.sandbox.tiktok_caller import Caller, meet
from tiktok_ns_pipeline.refunds.claims import claim_of_return
from tiktok_ns_pipeline.refunds.custody import standing_of
from tiktok_ns_pipeline.refunds.document import Claim
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.tiktok.identities import prices_of
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.return_models import Return

SEARCH = "/return_refund/{version}/returns/search"


async def claim_of(caller: Caller, return_id: str, version: str) -> tuple[Claim, Return, D]:
    """The claim as TikTok shows the return, and what its units were sold for."""
    path = SEARCH.format(version=version)
    data = await caller.data("POST", path, {"page_size": "50"}, {"return_ids": [return_id]})
    [shown] = data["return_orders"]
    ids = {"ids": shown["order_id"]}
    orders: Any = (await caller.data("GET", "/order/202309/orders", ids))["orders"]
    prices = prices_of(Order.parse(orders[0]))
    ret = Return.parse(shown)
    claim = claim_of_return(ret, sandbox_mapping().shops["us"], prices)
    assert isinstance(claim, Claim), claim
    assert claim.goods == {unit: prices[unit].paid_by_buyer for unit in claim.unit_ids}
    return claim, ret, sum((prices[unit].owed for unit in claim.unit_ids), D(0))


@pytest.mark.parametrize("version", ["202309", "202602"])
@pytest.mark.parametrize("kind", [REFUND, RETURN])
def test_a_refund_in_full_is_what_the_seller_loses(kind: str, version: str) -> None:
    async def story(caller: Caller) -> None:
        world = caller.world
        line = Line("SKU-001", 2, "12.00", seller_discount="2", platform_discount="1.50", tax="0.90")
        order_id = delivered(world, "us", line, shipping=ShippingFacts(D(4), tax=D("0.3")))
        return_id = world.returns.ask(order_id, kind=kind)
        await pass_days(caller, 12)
        [truth] = world.returns.truth()
        claim, ret, owed = await claim_of(caller, return_id, version)
        standing = standing_of(ret, received=False, credited=False)
        assert standing is not None
        assert (standing.money == "refunded") == truth.refunded
        assert (claim.completed_at is not None) == truth.refunded
        assert claim.has_arrived == (truth.goods_come_back and truth.refunded)
        assert claim.to_buyer == truth.to_buyer
        paid = sum((amount or D(0) for amount in claim.goods.values()), D(0))
        assert claim.shipping is not None
        assert claim.to_buyer == paid + claim.shipping + claim.tax_on_top
        # Shipping that TikTok's carrier takes is not the seller's to lose.
        assert truth.owed_less in (owed, owed + claim.shipping)

    meet(story)
