"""A claim says of TikTok's own return what the world's truth says of it."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from tests.orders.order_builder import unit
from tests.refunds.refund_desk import REFUND, RETURN, Sold, same, sandbox_mapping
from tests.sandbox.finance_calls import delivered, pass_days
from tests.sandbox.tiktok_caller import Caller, meet
from tiktok_ns_pipeline.refunds.claims import claim_of_cancellation, claim_of_return, units_that_left
from tiktok_ns_pipeline.refunds.custody import OF_CANCELLATION, standing_of, standing_of_cancellation
from tiktok_ns_pipeline.refunds.document import Claim
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
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


def test_of_a_cancellation_only_what_had_left_is_claimed() -> None:
    sold = Sold.of([*same(3, "5.00"), unit("SKU-002", "7.00")], shipped=False)
    first, second, third, other = [one["id"] for one in sold.raw["line_items"]]
    assert units_that_left((first, second, third, other), sold.order) == ()
    sold.ship({1: 2})
    assert units_that_left((first, second, third, other), sold.order) == (first, second)
    # Those that are not cancelled left first.
    assert units_that_left((third, other), sold.order) == ()
    assert units_that_left((second, third), sold.order) == (second,)
    sold.ship()
    assert units_that_left((third, other), sold.order) == (third, other)
    assert units_that_left(("no unit of the order",), sold.order) == ()


@pytest.mark.parametrize("status", OF_CANCELLATION)
def test_a_cancellation_is_refunded_when_tiktok_has_done_it(status: str) -> None:
    told = Cancellation.parse(
        {"cancel_id": "1", "order_id": "2", "cancel_status": status, "update_time": 1_780_000_000}
    )
    claim = claim_of_cancellation(told, sandbox_mapping().shops["us"], ("3",), whole=True)
    standing = standing_of_cancellation(told, received=False, credited=False)
    assert standing is not None
    assert (standing.money == "refunded") == (claim.completed_at is not None)
    reversed_ = standing_of_cancellation(told, received=False, credited=True)
    assert reversed_ is not None
    assert (reversed_.money == "reversed") == (standing.money != "refunded")
    back = standing_of_cancellation(told, received=True, credited=False)
    assert back is not None and back.custody == "received"
