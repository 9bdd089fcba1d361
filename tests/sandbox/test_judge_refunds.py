"""The judge of refunds finds what is wrong in the books, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.sandbox.finance_calls import delivered, pass_by
from tiktok_ns_pipeline.sandbox.judge_refunds import (
    AuthorizationRecord,
    CreditRecord,
    RefundBooks,
    RefundFindings,
    judge_refunds,
)
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World


@pytest.fixture(scope="module")
def world() -> World:
    """Orders whose buyers sent back, were refunded without sending, or thought better of it."""
    world = World(clock=VirtualClock(), mix=Mix.plain(settles=True))
    for kind in ("RETURN_AND_REFUND", "REFUND", "RETURN_AND_REFUND"):
        order_id = delivered(world, "us", Line("SKU-001", 2, "20.00", seller_discount="2.00"))
        units = [line.id for line in world.facts(order_id).lines]
        return_id = world.returns.ask(order_id, units[:1], kind=kind)
    world.returns.withdraw(return_id)
    pass_by(world, 30)
    return world


def right_books(world: World) -> RefundBooks:
    """What a pipeline without faults makes of it."""
    returns = world.returns.truth()
    return RefundBooks(
        billed={truth.order_id: truth.owed for truth in world.truth()},
        credits=[
            CreditRecord(f"credit {one.return_id}", one.order_id, one.return_id, one.owed_less)
            for one in returns
            if one.refunded
        ],
        authorizations=[
            AuthorizationRecord(f"ra {one.return_id}", one.order_id, one.return_id, False, Decimal(1))
            for one in returns
            if one.goods_come_back
        ],
    )


def judged(world: World, books: RefundBooks) -> RefundFindings:
    return judge_refunds(world.returns.truth(), world.truth(), world.finance.truth(), books, ("us", "uk"))


def test_right_books_are_clean(world: World) -> None:
    found = judged(world, right_books(world))
    assert found.faults == {}
    assert (found.right, found.received) == (2, 1)
    assert found.credited == Decimal("36.00")


def missing(books: RefundBooks) -> RefundBooks:
    return replace(books, credits=list(books.credits)[1:])


def doubled(books: RefundBooks) -> RefundBooks:
    return replace(books, credits=[*books.credits, next(iter(books.credits))])


def wrong(books: RefundBooks) -> RefundBooks:
    first, *rest = books.credits
    return replace(books, credits=[replace(first, amount=first.amount + Decimal("0.01")), *rest])


def invented(books: RefundBooks) -> RefundBooks:
    first = next(iter(books.credits))
    return replace(books, credits=[*books.credits, replace(first, claim_id="4041", amount=Decimal(1))])


def beyond_billed(books: RefundBooks) -> RefundBooks:
    return replace(books, billed=dict.fromkeys(books.billed, Decimal(1)))


def unauthorized(books: RefundBooks) -> RefundBooks:
    return replace(books, authorizations=[])


def received_too_much(books: RefundBooks) -> RefundBooks:
    return replace(books, authorizations=[replace(one, received=Decimal(2)) for one in books.authorizations])


@pytest.mark.parametrize(
    "spoil", [missing, doubled, wrong, invented, beyond_billed, unauthorized, received_too_much]
)
def test_what_is_wrong_is_named(world: World, spoil: Callable[[RefundBooks], RefundBooks]) -> None:
    assert spoil.__name__ in judged(world, spoil(right_books(world))).faults


def test_goods_that_will_not_come_must_not_be_awaited(world: World) -> None:
    books = right_books(world)
    ended = next(one for one in world.returns.truth() if not one.refunded)
    waits = AuthorizationRecord("ra", ended.order_id, ended.return_id, True, Decimal(0))
    found = judged(world, replace(books, authorizations=[*books.authorizations, waits]))
    assert found.faults == {"authorized_in_vain": [ended.return_id]}


def test_an_order_that_was_billed_and_cancelled_must_be_credited_whole(world: World) -> None:
    order_id = world.place_order("us", [Line("SKU-001", 1, "10.00")])
    world.release(order_id)
    world.cancel_order(order_id)
    books = right_books(world)
    billed = replace(books, billed={**books.billed, order_id: Decimal(10)})
    assert judged(world, billed).faults == {"missing": [order_id]}
    credit = CreditRecord("x", order_id, "6001", Decimal(10))
    assert judged(world, replace(billed, credits=[*billed.credits, credit])).faults == {}
