"""For any set of drifts over any orders, the verdicts are exactly the seeded ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.fulfilments.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.fulfilments.model import Bill, Verdict

from .fulfilment_builder import LONG_AGO, Case, case, prove

UNTOLD: dict[str, Any] = {"status": "AWAITING_SHIPMENT", "state": "open", "tracking": None, "told": False}
CALLED_OFF: dict[str, Any] = {"status": "CANCELLED", "state": "cancelled", "tracking": None, "told": False}
CHECK_OF = {
    "no_unsynced_fulfilments": {
        Verdict.NOT_TOLD,
        Verdict.TRACKING_DIFFERS,
        Verdict.UNKNOWN_AT_TIKTOK,
        Verdict.SHIPPED_BUT_CANCELLED,
    },
    "no_shipment_without_fulfilment": {Verdict.SHIPPED_WITHOUT_FULFILMENT, Verdict.FBT_NOT_IN_NETSUITE},
    "cancelled_orders_closed": {Verdict.CANCELLED_NOT_CLOSED, Verdict.CLOSED_NOT_CANCELLED},
    "shipped_orders_billed": {Verdict.NOT_BILLED, Verdict.BILLED_TWICE, Verdict.BILL_DIFFERS},
}


def unshipped(one: Case) -> Case:
    return replace(one, fulfilments=[], bills=[]).with_units(**UNTOLD).with_sale(status="B")


def called_off(one: Case) -> Case:
    return one.with_units(**CALLED_OFF).with_order(
        status="CANCELLED", state="cancelled", cancelled_at=LONG_AGO
    )


def closed(one: Case) -> Case:
    lines = tuple(replace(line, is_closed=True) for line in one.sales[0].lines)
    return unshipped(one).with_sale(status="H", lines=lines)


def twice(one: Case) -> Case:
    again = Bill(f"9{one.bills[0].netsuite_id}", "INV9", one.bills[0].total, None, one.order_id)
    return replace(one, bills=[*one.bills, again])


def a_cent_more(one: Case) -> Case:
    total = one.bills[0].total
    assert total is not None
    return one.with_bill(total=total + Money(Decimal("0.01"), "USD"))


BENIGN: list[Callable[[Case], Case]] = [
    lambda one: one,
    unshipped,
    lambda one: called_off(closed(one)),
    lambda one: unshipped(one).with_order(state="waits", status="ON_HOLD"),
    lambda one: replace(one, bills=[]).with_units(**UNTOLD).with_fulfilment(unchanged_for=timedelta(0)),
    lambda one: one.with_units(state="cancelled", told=True).with_order(state="cancelled"),
]
"""What looks like a drift and is none."""

DRIFTS: dict[Callable[[Case], Case], Verdict] = {
    lambda one: one.with_units(**UNTOLD): Verdict.NOT_TOLD,
    lambda one: one.with_fulfilment(tracking=("OTHER",)): Verdict.TRACKING_DIFFERS,
    lambda one: replace(one, fulfilments=[], bills=[]): Verdict.SHIPPED_WITHOUT_FULFILMENT,
    lambda one: replace(one, fulfilments=[], bills=[]).with_order(
        packed_by="channel"
    ): Verdict.FBT_NOT_IN_NETSUITE,
    called_off: Verdict.SHIPPED_BUT_CANCELLED,
    lambda one: called_off(unshipped(one)): Verdict.CANCELLED_NOT_CLOSED,
    closed: Verdict.CLOSED_NOT_CANCELLED,
    lambda one: replace(one, bills=[]): Verdict.NOT_BILLED,
    twice: Verdict.BILLED_TWICE,
    a_cent_more: Verdict.BILL_DIFFERS,
}


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([*BENIGN, *DRIFTS])), min_size=1, max_size=12))
def test_the_verdicts_are_exactly_the_seeded_ones(seeded: list[tuple[int, Callable[[Case], Case]]]) -> None:
    cases = [drift(case(number, units=units)) for number, (units, drift) in enumerate(seeded, start=1)]
    expected = {
        one.order_id: {DRIFTS[drift]}
        for one, (_, drift) in zip(cases, seeded, strict=True)
        if drift in DRIFTS
    }
    proof = prove(*cases)
    found: dict[str, set[Verdict]] = {}
    for row in proof.wrong:
        found.setdefault(row.order_id, set()).add(row.verdict)
    assert found == expected
    for check in CHECKS:
        outcome = check(proof)
        named = {row.order_id for row in outcome.offenders}
        assert named == {
            order_id for order_id, verdicts in expected.items() if verdicts & CHECK_OF[outcome.name]
        }
