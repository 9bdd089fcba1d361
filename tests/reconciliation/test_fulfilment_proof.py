"""The proof of what followed a day's orders, against both systems as the sandbox serves them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiktok_ns_pipeline.lake import tables
from tiktok_ns_pipeline.reconciliation.fulfilments.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.fulfilments.model import Verdict
from tiktok_ns_pipeline.reconciliation.fulfilments.reading import read_fulfilments
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind

from .bench import DAY, NOON, Bench
from .shipping_bench import Shipping, of, wrong


@pytest.fixture
def shipping(bench: Bench) -> Shipping:
    return Shipping(bench, {})


def test_a_day_that_was_shipped_told_and_billed_is_clean(shipping: Shipping) -> None:
    orders = [shipping.done() for _ in range(3)]
    open_order = shipping.order()
    shipping.later()
    proof = shipping.prove()
    assert wrong(proof) == {}
    assert (proof.shipped_in_netsuite, proof.shipped_at_tiktok) == (6, 6)
    assert proof.amounts() == {"USD": (Decimal(72), Decimal(72))}
    assert of(proof, orders[0]) == {
        "shipment": [Verdict.MATCHED] * 2,
        "closure": [Verdict.MATCHED],
        "bill": [Verdict.MATCHED],
    }
    assert of(proof, open_order) == {"shipment": [Verdict.NOT_SHIPPED] * 2, "closure": [Verdict.MATCHED]}
    assert [check(proof).state for check in CHECKS] == ["passed"] * 4


# --- every kind of drift ---------------------------------------------------------------------


def deleted_fulfilment(shipping: Shipping) -> str:
    order_id = shipping.order()
    fulfilment = shipping.ship(order_id, f"1Z{order_id}")
    shipping.tell(order_id, f"1Z{order_id}")
    shipping.books.delete("itemFulfillment", fulfilment)
    return order_id


def shipped_by_hand_at_tiktok(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.tell(order_id, f"1Z{order_id}")
    return order_id


def not_told(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.ship(order_id, f"1Z{order_id}")
    shipping.bill(order_id)
    return order_id


def tracking_changed(shipping: Shipping) -> str:
    order_id = shipping.done()
    [fulfilment] = [
        record["id"]
        for record in shipping.books.records("itemFulfillment")
        if record["createdFrom"]["id"] == shipping.sales[order_id]
    ]
    packages = {"items": [{"packageTrackingNumber": f"9Y{order_id}"}]}
    shipping.books.patch("itemFulfillment", fulfilment, {"package": packages}, frozenset({"package"}))
    return order_id


def cancelled_and_left_open(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.bench.world.cancel_order(order_id)
    return order_id


def closed_though_it_lives(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.bench.close(shipping.sales[order_id])
    return order_id


def not_billed(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.ship(order_id, f"1Z{order_id}")
    shipping.tell(order_id, f"1Z{order_id}")
    return order_id


def billed_twice(shipping: Shipping) -> str:
    order_id = shipping.done()
    shipping.bill_by_hand(order_id, "24.00")
    return order_id


def billed_with_another_amount(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.ship(order_id, f"1Z{order_id}")
    shipping.tell(order_id, f"1Z{order_id}")
    lines = [{"orderLine": 1, "quantity": 2, "amount": Decimal("19.99")}, {"orderLine": 2, "quantity": 1}]
    shipping.bill(order_id, item={"items": lines})
    return order_id


def fbt_collected(shipping: Shipping) -> str:
    order_id = shipping.order(by_tiktok_warehouse=True)
    shipping.bench.world.move_to(order_id, Status.in_transit)
    return order_id


def shipped_after_cancellation(shipping: Shipping) -> str:
    order_id = shipping.order()
    shipping.bench.world.cancel_order(order_id)
    shipping.ship(order_id, f"1Z{order_id}")
    return order_id


DRIFTS: dict[Callable[[Shipping], str], set[Verdict]] = {
    deleted_fulfilment: {Verdict.SHIPPED_WITHOUT_FULFILMENT},
    shipped_by_hand_at_tiktok: {Verdict.SHIPPED_WITHOUT_FULFILMENT},
    not_told: {Verdict.NOT_TOLD},
    tracking_changed: {Verdict.TRACKING_DIFFERS},
    cancelled_and_left_open: {Verdict.CANCELLED_NOT_CLOSED},
    closed_though_it_lives: {Verdict.CLOSED_NOT_CANCELLED},
    not_billed: {Verdict.NOT_BILLED},
    billed_twice: {Verdict.BILLED_TWICE},
    billed_with_another_amount: {Verdict.BILL_DIFFERS},
    fbt_collected: {Verdict.FBT_NOT_IN_NETSUITE},
    shipped_after_cancellation: {Verdict.SHIPPED_BUT_CANCELLED},
}


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.__name__)
def test_a_drift_is_named_once_its_grace_is_over_and_nothing_else_is(
    shipping: Shipping, drift: Callable[[Shipping], str]
) -> None:
    shipping.done()
    order_id = drift(shipping)
    if drift not in (billed_twice, billed_with_another_amount, shipped_after_cancellation):
        assert wrong(shipping.prove()) == {}
    shipping.later()
    proof = shipping.prove()
    assert wrong(proof) == {order_id: DRIFTS[drift]}
    failing = [outcome for check in CHECKS if (outcome := check(proof)).state == "failed"]
    assert [order_id in outcome.table for outcome in failing] == [True]


def test_whatever_drifts_on_one_day_is_told_apart(shipping: Shipping) -> None:
    seeded: dict[str, set[Verdict]] = {}

    @settings(max_examples=8, deadline=None, database=None)
    @given(st.lists(st.sampled_from([*DRIFTS, Shipping.done]), max_size=8))
    def drifts_are_told_apart(drawn: list[Callable[[Shipping], str]]) -> None:
        for drift in drawn:
            order_id = drift(shipping)
            seeded.update({order_id: DRIFTS[drift]} if drift in DRIFTS else {})
        shipping.later()
        assert wrong(shipping.prove()) == seeded

    drifts_are_told_apart()
    seeded |= {drift(shipping): verdicts for drift, verdicts in DRIFTS.items()}
    shipping.later()
    proof = shipping.prove()
    assert wrong(proof) == seeded
    assert [check(proof).state for check in CHECKS] == ["failed"] * 4


def test_an_item_fulfillment_of_an_order_that_tiktok_does_not_know_is_an_orphan(shipping: Shipping) -> None:
    stray = "576999999999999999"
    shipping.post(stray, ["1", "2"])
    fulfilment = shipping.ship(stray, "1Z999999", tranDate="2026-08-02")
    shipping.later()
    proof = shipping.prove()
    assert wrong(proof) == {stray: {Verdict.UNKNOWN_AT_TIKTOK}}
    assert [row.subject for row in proof.wrong] == [fulfilment]


def test_a_fulfilment_of_another_days_order_belongs_to_that_day(shipping: Shipping) -> None:
    order_id = shipping.order(placed_at=NOON - timedelta(days=1))
    shipping.ship(order_id, "1Z999999", tranDate="2026-08-02")
    shipping.later()
    assert shipping.prove().rows == ()


def test_a_shipment_without_a_number_waits_for_it_a_day(shipping: Shipping) -> None:
    order_id = shipping.order()
    shipping.ship(order_id)
    shipping.bill(order_id)
    shipping.later(hours=2)
    assert of(shipping.prove(), order_id)["shipment"] == [Verdict.WAITS_FOR_TRACKING] * 2
    shipping.later(hours=23)
    assert wrong(shipping.prove()) == {order_id: {Verdict.NOT_TOLD}}


def test_of_a_part_that_left_only_the_part_is_looked_for(shipping: Shipping) -> None:
    order_id = shipping.order()
    _, second = shipping.units(order_id)
    shipping.ship(order_id, "1Z000001", quantity=1)
    shipping.tell(order_id, "1Z000001", [second])
    shipping.bill(order_id)
    shipping.later()
    proof = shipping.prove()
    assert wrong(proof) == {}
    assert of(proof, order_id)["shipment"] == [Verdict.NOT_SHIPPED, Verdict.MATCHED]


def test_several_parcels_of_one_fulfilment_match_by_their_numbers(shipping: Shipping) -> None:
    order_id = shipping.order()
    first, second = shipping.units(order_id)
    shipping.ship(order_id, "1Z000001", "1Z000002")
    shipping.tell(order_id, "1Z000002", [first])
    shipping.tell(order_id, "1Z000001", [second])
    shipping.bill(order_id)
    shipping.later()
    assert wrong(shipping.prove()) == {}


def test_goods_whose_delivery_failed_are_expected_back(shipping: Shipping) -> None:
    order_id = shipping.done()
    shipping.bench.world.move_to(order_id, Status.cancelled)
    shipping.later()
    proof = shipping.prove()
    assert wrong(proof) == {}
    assert of(proof, order_id)["shipment"] == [Verdict.SHIPPED_BUT_CANCELLED] * 2


def billed_like(shipping: Shipping, **policy: object) -> None:
    """Another billing policy in the mapping."""
    mapping = shipping.bench.mapping
    billing = mapping.shops["us"].billing.model_copy(update=policy)
    shops = {**mapping.shops, "us": mapping.shops["us"].model_copy(update={"billing": billing})}
    shipping.bench.mapping = mapping.model_copy(update={"shops": shops})


def test_a_shop_that_does_not_bill_is_not_asked_for_bills(shipping: Shipping) -> None:
    order_id = not_billed(shipping)
    billed_like(shipping, policy="none")
    shipping.later()
    proof = shipping.prove()
    assert "bill" not in of(proof, order_id)
    assert CHECKS[3](proof).state == "not_run"


def test_what_left_before_billing_began_need_not_be_billed(shipping: Shipping) -> None:
    order_id = not_billed(shipping)
    billed_like(shipping, since=date(2026, 8, 5))
    shipping.later()
    assert of(shipping.prove(), order_id)["bill"] == [Verdict.NOT_EXPECTED]
    billed_like(shipping, since=date(2026, 8, 4))
    assert of(shipping.prove(), order_id)["bill"] == [Verdict.NOT_BILLED]


def test_a_lagging_query_is_asked_again_before_anything_is_called_wrong(shipping: Shipping) -> None:
    no_grace = shipping.bench.mapping.reconciliation.model_copy(update={"grace_minutes": 0})
    shipping.bench.mapping = shipping.bench.mapping.model_copy(update={"reconciliation": no_grace})
    order_id = shipping.order()
    shipping.later()
    shipping.ship(order_id, "1Z000001")
    shipping.tell(order_id, "1Z000001")
    shipping.bill(order_id)
    faults = shipping.bench.running.sandbox.faults

    faults.inject(FaultKind.suiteql_lag, "netsuite", "suiteql", times=4)
    first = shipping.bench.ask(lambda sources: read_fulfilments(sources, DAY))
    assert first.documents[order_id].fulfilments == ()

    faults.inject(FaultKind.suiteql_lag, "netsuite", "suiteql", times=4)
    assert wrong(shipping.prove()) == {}


@pytest.mark.parametrize(("system", "match"), [("tiktok", "/orders/search"), ("netsuite", "suiteql")])
def test_a_side_that_cannot_be_read_makes_no_proof_and_leaves_the_last_verdicts(
    shipping: Shipping, system: str, match: str
) -> None:
    shipping.done()
    shipping.later()
    shipping.prove()
    shipping.bench.running.sandbox.faults.inject(FaultKind.http_503, system, match, times=50)

    proof = shipping.prove()

    assert proof.not_run is not None
    assert proof.not_run.side == system
    assert {check(proof).state for check in CHECKS} == {"not_run"}
    kept = shipping.bench.lake.current(tables.FULFILMENT_RECONCILIATION)
    assert {row["verdict"] for row in kept} == {"matched"}
    [statement] = shipping.bench.lake.current(tables.FULFILMENT_RECONCILIATION_STATEMENTS)
    assert (statement["not_run_side"], statement["differences"]) == (system, None)


def test_what_was_concluded_lands_and_can_be_reopened(shipping: Shipping) -> None:
    done, missing = shipping.done(), not_billed(shipping)
    shipping.later()
    shipping.prove(run_id="run-7")
    rows = shipping.bench.lake.current(tables.FULFILMENT_RECONCILIATION)
    bills = {row["order_id"]: row for row in rows if row["aspect"] == "bill"}
    assert (bills[done]["expected"], bills[done]["billed"], bills[done]["is_wrong"]) == (24, 24, False)
    assert (bills[missing]["verdict"], bills[missing]["difference"], bills[missing]["currency"]) == (
        "not_billed",
        -24,
        "USD",
    )
    [statement] = shipping.bench.lake.current(tables.FULFILMENT_RECONCILIATION_STATEMENTS)
    assert (statement["run_id"], statement["shipped_in_netsuite"], statement["differences"]) == (
        "run-7",
        4,
        1,
    )
