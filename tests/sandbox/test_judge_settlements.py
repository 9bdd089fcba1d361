"""The judge of settlements finds what is wrong in the books, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.sandbox.finance_calls import delivered, pass_by
from tiktok_ns_pipeline.sandbox.judge_settlements import BookLine, judge_settlements
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.settling_truth import ROLES, FinanceTruth
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

ACCOUNTS = {f"acct-{role}": role for role in ROLES}
HABITS = SettlementHabits(refunded=0.3, adjusted=0.3, reserved=0.3, payment_failed=0.2)


@pytest.fixture(scope="module")
def truth() -> FinanceTruth:
    world = World(clock=VirtualClock(), seed=5, mix=Mix(settles=True, settlement=HABITS))
    world.draw_orders(60)
    pass_by(world, 22)
    for shop in ("us", "uk"):
        delivered(world, shop, Line("SKU-001", 2))
    return world.finance.truth()


def right_books(truth: FinanceTruth) -> list[BookLine]:
    """What a pipeline without faults posts: sales, refunds and payouts that arrived."""
    lines: list[BookLine] = []
    for order in truth.orders.values():
        for document, amount in (("sale", order.owed), ("refund", -order.refunded)):
            if amount:
                lines += [
                    BookLine(
                        f"{document} {order.order_id}", order.shop, account, signed, order_id=order.order_id
                    )
                    for account, signed in (("acct-clearing", amount), ("revenue", -amount))
                ]
    for payment_id, one in truth.payments.items():
        if one.payment.status == "PAID":
            lines += [
                BookLine(f"payout {payment_id}", one.payment.shop, f"acct-{role}", amount, payment_id)
                for role, amount in one.roles.items()
                if amount
            ]
    return lines


def test_right_books_are_clean_and_the_account_is_what_has_not_settled(truth: FinanceTruth):
    found = judge_settlements(right_books(truth), truth, ACCOUNTS)
    assert found.is_clean, found
    assert found.right == sum(1 for one in truth.payments.values() if one.payment.status == "PAID") > 5
    for shop, clearing in found.clearing.items():
        waiting = [
            one.owed - one.refunded - one.cleared_by_payments
            for one in truth.orders.values()
            if one.shop == shop
        ]
        assert clearing.balance == clearing.owed == sum(waiting)
    assert found.clearing["us"].balance > 0


def _first_payout(lines: list[BookLine]) -> str:
    return next(line.payment_id for line in lines if line.payment_id)


def missing(lines: list[BookLine]) -> list[BookLine]:
    return [line for line in lines if line.payment_id != _first_payout(lines)]


def doubled(lines: list[BookLine]) -> list[BookLine]:
    own = [line for line in lines if line.payment_id == _first_payout(lines)]
    return [*lines, *(replace(line, document="again") for line in own)]


def invented(lines: list[BookLine]) -> list[BookLine]:
    pair = (("acct-bank", Decimal(1)), ("acct-clearing", Decimal(-1)))
    return [
        *lines,
        *(BookLine("x", "us", account, amount, "3680000000000000001") for account, amount in pair),
    ]


def wrong(lines: list[BookLine]) -> list[BookLine]:
    """A cent of the bank's stands among the fees."""
    own = _first_payout(lines)
    shop = next(line.shop for line in lines if line.payment_id == own)
    pair = (("acct-bank", Decimal("0.01")), ("acct-fees", Decimal("-0.01")))
    return [*lines, *(BookLine(f"payout {own}", shop, account, amount, own) for account, amount in pair)]


def unbalanced(lines: list[BookLine]) -> list[BookLine]:
    first = lines[0]
    return [replace(first, amount=first.amount + 1), *lines[1:]]


@pytest.mark.parametrize("spoil", [missing, doubled, invented, wrong, unbalanced])
def test_what_is_wrong_is_named(truth: FinanceTruth, spoil: Callable[[list[BookLine]], list[BookLine]]):
    lines = spoil(right_books(truth))
    found = judge_settlements(lines, truth, ACCOUNTS)
    assert not found.is_clean
    assert getattr(found, spoil.__name__)


def test_a_wrong_amount_says_role_and_true_amount(truth: FinanceTruth):
    lines = right_books(truth)
    found = judge_settlements(wrong(lines), truth, ACCOUNTS)
    payment_id = _first_payout(lines)
    roles = truth.payments[payment_id].roles
    assert [(one.payment_id, one.role, one.true) for one in found.wrong] == [
        (payment_id, "bank", roles["bank"]),
        (payment_id, "fees", roles["fees"]),
    ]
    assert found.wrong[0].posted - found.wrong[0].true == Decimal("0.01")


def test_a_payout_that_is_missing_leaves_its_orders_on_the_account(truth: FinanceTruth):
    lines = right_books(truth)
    found = judge_settlements(missing(lines), truth, ACCOUNTS)
    (payment_id,) = found.missing
    payment = truth.payments[payment_id]
    assert found.clearing[payment.payment.shop].difference == sum(payment.cleared.values())


def test_a_sale_that_the_books_lack_is_named_once_it_is_paid(truth: FinanceTruth):
    paid = next(one for one in truth.orders.values() if one.cleared_by_payments and not one.refunded)
    lines = [line for line in right_books(truth) if line.order_id != paid.order_id]
    found = judge_settlements(lines, truth, ACCOUNTS)
    assert found.clearing[paid.shop].differing == {paid.order_id: -paid.owed}
    assert found.clearing[paid.shop].difference == -paid.owed


def test_roles_that_no_account_has_are_not_judged_but_told(truth: FinanceTruth):
    some = {name: role for name, role in ACCOUNTS.items() if role in {"bank", "clearing"}}
    found = judge_settlements(right_books(truth), truth, some)
    assert found.is_clean
    assert found.elsewhere
