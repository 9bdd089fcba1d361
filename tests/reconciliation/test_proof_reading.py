"""The proof of a day against TikTok Shop and NetSuite as the sandbox serves them on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tiktok_ns_pipeline.gate import Lane, OpenGate
from tiktok_ns_pipeline.lake import tables
from tiktok_ns_pipeline.reconciliation.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.orders import Reconciliation, Verdict
from tiktok_ns_pipeline.reconciliation.proof import reconcile_day
from tiktok_ns_pipeline.reconciliation.reading import Sources, read_day
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind

from .bench import DAY, NOW, Bench


def verdicts(proof: Reconciliation) -> dict[str, Verdict]:
    assert proof.not_run is None, proof.statement
    return {row.order_id: row.verdict for row in proof.rows}


def test_a_day_whose_ledgers_agree_matches_to_the_cent(bench: Bench) -> None:
    orders = [bench.order(price=f"{number}.05") for number in range(1, 4)]
    for number, order_id in enumerate(orders, start=1):
        bench.sale(order_id, amount=f"{2 * number}.10")

    proof = bench.prove()

    assert verdicts(proof) == dict.fromkeys(orders, Verdict.MATCHED)
    assert [check(proof).state for check in CHECKS] == ["passed", "passed", "passed"]
    assert proof.statement.startswith(
        "3 orders at TikTok, 3 Sales Orders in NetSuite; 12.30 USD owed, 12.30 USD posted; difference = none"
    )


def test_a_deleted_sales_order_is_named(bench: Bench) -> None:
    kept, lost = bench.order(), bench.order(price="35.50")
    bench.sale(kept)
    bench.running.sandbox.books.delete("salesOrder", bench.sale(lost, amount="71.00"))

    proof = bench.prove()

    assert verdicts(proof) == {kept: Verdict.MATCHED, lost: Verdict.MISSING_IN_NETSUITE}
    missing, orphans, amounts = (check(proof) for check in CHECKS)
    assert [row.order_id for row in missing.offenders] == [lost]
    assert f"| {lost} | missing in netsuite | none | 71.00 USD |" in missing.table
    assert (orphans.state, amounts.state) == ("passed", "passed")


def test_an_order_within_its_grace_waits(bench: Bench) -> None:
    fresh = bench.order(placed_at=NOW - timedelta(minutes=5))
    assert verdicts(bench.prove(date(2026, 8, 4))) == {fresh: Verdict.WAITING_WITHIN_GRACE}


def test_a_wrong_cent_is_found(bench: Bench) -> None:
    order_id = bench.order()
    bench.sale(order_id, amount="19.99")
    [row] = bench.prove().rows
    assert (row.verdict, row.difference) == (Verdict.AMOUNT_DIFFERS, Decimal("-0.01"))


def test_a_second_sales_order_by_hand_is_a_duplicate_whatever_its_number_and_date(bench: Bench) -> None:
    order_id = bench.order()
    bench.sale(order_id)
    bench.sale(order_id, day=DAY - timedelta(days=20), externalId="typed-by-hand")
    assert verdicts(bench.prove()) == {order_id: Verdict.DUPLICATE_IN_NETSUITE}


def test_a_sales_order_dated_elsewhere_is_still_found_and_reported_once(bench: Bench) -> None:
    order_id = bench.order()
    late = DAY + timedelta(days=1)
    bench.sale(order_id, day=late)
    assert verdicts(bench.prove(DAY)) == {order_id: Verdict.MATCHED}
    assert verdicts(bench.prove(late)) == {}


@pytest.mark.parametrize(
    "external_id", ["tts-us-so-576999999999999999", "TTS-US-SO-576999999999999999", "by-hand"]
)
def test_a_sales_order_without_an_order_is_missing_in_tiktok_on_the_day_it_is_dated(
    bench: Bench, external_id: str
) -> None:
    bench.sale("576999999999999999", externalId=external_id)
    assert verdicts(bench.prove(DAY)) == {"576999999999999999": Verdict.MISSING_IN_TIKTOK}
    assert verdicts(bench.prove(DAY + timedelta(days=1))) == {}


def test_an_orphan_that_is_closed_or_deleted_leaves_the_current_verdicts(bench: Bench) -> None:
    orphan = bench.sale("576999999999999999")
    assert [row.is_wrong for row in bench.prove().rows] == [True]
    bench.close(orphan)
    assert [row.verdict for row in bench.prove().rows] == [Verdict.NOT_EXPECTED]
    bench.running.sandbox.books.delete("salesOrder", orphan)
    bench.prove()
    assert bench.lake.current(tables.ORDER_RECONCILIATION) == []


def test_a_sales_order_of_another_shop_is_not_ours_to_prove(bench: Bench) -> None:
    bench.sale("1", externalId="tts-uk-so-1", custbody_tts_shop="uk")
    bench.sale("2", externalId="manual", custbody_tts_order_id=None, custbody_tts_shop=None)
    assert bench.prove().rows == ()


def test_an_order_that_the_listing_leaves_out_is_found_through_its_sales_order(bench: Bench) -> None:
    order_id = bench.order()
    bench.world.hide_order(order_id)
    bench.sale(order_id)
    assert verdicts(bench.prove()) == {order_id: Verdict.MATCHED}


@pytest.mark.parametrize("status", [Status.unpaid, Status.on_hold])
def test_a_sales_order_for_an_order_that_may_not_be_posted_yet_is_an_orphan(
    bench: Bench, status: Status
) -> None:
    innocent, guilty = bench.order(status=status), bench.order(status=status)
    bench.sale(guilty)
    proof = bench.prove()
    assert verdicts(proof) == dict.fromkeys([innocent, guilty], Verdict.NOT_EXPECTED)
    assert [row.order_id for check in CHECKS for row in check(proof).offenders] == [guilty]


def test_a_cancelled_order_is_not_expected_and_an_open_sales_order_of_it_is_noted(bench: Bench) -> None:
    order_id = bench.order()
    sale = bench.sale(order_id)
    bench.world.cancel_order(order_id)
    [row] = bench.prove().rows
    assert (row.verdict, row.is_wrong) == (Verdict.NOT_EXPECTED, False)
    assert "still open" in row.note
    bench.close(sale)
    [row] = bench.prove().rows
    assert row.note == "the order is cancelled"


def test_a_malformed_order_stays_in_the_proof_and_the_others_are_proved(bench: Bench) -> None:
    sound, broken = bench.order(), bench.order()
    bench.sale(sound)
    bench.world.mutate(broken, lambda order: order["payment"].update(currency=""))
    proof = bench.prove()
    assert verdicts(proof) == {sound: Verdict.MATCHED, broken: Verdict.CANNOT_BE_CHECKED}
    assert "payment.currency" in proof.wrong[0].note


def test_a_partly_cancelled_order_is_owed_for_what_is_left(bench: Bench) -> None:
    order_id = bench.order()
    bench.world.cancel_line(order_id)
    bench.sale(order_id, amount="10.00")
    assert verdicts(bench.prove()) == {order_id: Verdict.MATCHED}


def test_the_price_detail_is_asked_for_where_the_head_says_neither_before_nor_after(bench: Bench) -> None:
    order_id = bench.order()
    bench.world.cancel_line(order_id)
    halfway = {"original_total_product_price": "15.00", "sub_total": "15.00", "total_amount": "15.00"}
    bench.world.mutate(order_id, lambda order: order["payment"].update(halfway))
    bench.sale(order_id, amount="10.00")
    assert verdicts(bench.prove()) == {order_id: Verdict.MATCHED}


def test_the_day_is_the_shops_business_day(bench: Bench) -> None:
    """06:59 UTC is the last minute of the day in Los Angeles, 07:00 the first of the next."""
    last = bench.order(placed_at=datetime(2026, 8, 3, 6, 59, tzinfo=UTC))
    first = bench.order(placed_at=datetime(2026, 8, 3, 7, 0, tzinfo=UTC))
    assert list(verdicts(bench.prove(DAY))) == [last]
    assert list(verdicts(bench.prove(DAY + timedelta(days=1)))) == [first]


def test_a_day_of_several_pages_is_listed_in_full(bench: Bench) -> None:
    orders = [bench.order() for _ in range(230)]
    for order_id in orders:
        bench.sale(order_id)
    proof = bench.prove()
    assert verdicts(proof) == dict.fromkeys(orders, Verdict.MATCHED)


def test_without_custom_fields_the_external_id_alone_is_enough(bench: Bench) -> None:
    fields = bench.mapping.custom_fields
    body = fields.body.model_copy(update={"order_id": None, "shop": None})
    custom_fields = fields.model_copy(update={"body": body})
    bench.mapping = bench.mapping.model_copy(update={"custom_fields": custom_fields})
    matched = bench.order()
    bench.sale(matched)
    bench.sale("576999999999999999", externalId="TTS-US-SO-576999999999999999")
    assert verdicts(bench.prove()) == {
        matched: Verdict.MATCHED,
        "576999999999999999": Verdict.MISSING_IN_TIKTOK,
    }


# --- trouble ---------------------------------------------------------------------------------


def test_netsuite_that_cannot_be_read_makes_no_proof_and_keeps_the_last_verdicts(bench: Bench) -> None:
    order_id = bench.order()
    bench.sale(order_id)
    bench.prove()
    bench.running.sandbox.faults.inject(FaultKind.http_503, "netsuite", "suiteql", times=50)

    proof = bench.prove()

    assert proof.not_run is not None
    assert proof.not_run.side == "netsuite"
    assert {check(proof).state for check in CHECKS} == {"not_run"}
    [kept] = bench.lake.current(tables.ORDER_RECONCILIATION)
    assert kept["verdict"] == "matched"
    [statement] = bench.lake.current(tables.ORDER_RECONCILIATION_STATEMENTS)
    assert (statement["not_run_side"], statement["differences"]) == ("netsuite", None)


def test_tiktok_that_cannot_be_read_makes_no_proof(bench: Bench) -> None:
    bench.order()

    async def shop_closed(sources: Sources) -> Reconciliation:
        strange = replace(sources, access=replace(sources.access, cipher="GCP_NOT_OURS"))
        return await reconcile_day(strange, bench.lake, DAY, "run-1")

    proof = bench.ask(shop_closed)
    assert proof.not_run is not None
    assert proof.not_run.side == "tiktok"
    assert "GCP_NOT_OURS" not in proof.statement


TODAY = date(2026, 8, 4)
JUST_NOW = NOW - timedelta(seconds=5)


def test_a_stale_listing_does_not_turn_sales_orders_into_orphans(bench: Bench) -> None:
    orders = [bench.order(placed_at=JUST_NOW) for _ in range(3)]
    for order_id in orders:
        bench.sale(order_id, day=TODAY)
    bench.running.sandbox.faults.inject(FaultKind.stale_page, "tiktok", "/orders/search")
    assert verdicts(bench.prove(TODAY)) == dict.fromkeys(orders, Verdict.MATCHED)


def test_an_order_that_lists_show_late_does_not_turn_its_sales_order_into_an_orphan(bench: Bench) -> None:
    bench.running.sandbox.faults.inject(FaultKind.late_visibility, "tiktok")
    order_id = bench.order(placed_at=JUST_NOW)
    bench.sale(order_id, day=TODAY)
    assert verdicts(bench.prove(TODAY)) == {order_id: Verdict.MATCHED}


def test_rows_that_come_twice_are_counted_once(bench: Bench) -> None:
    orders = [bench.order() for _ in range(150)]
    bench.running.sandbox.faults.inject(FaultKind.duplicate_rows, "tiktok", "/orders/search", times=2)
    assert verdicts(bench.prove()) == dict.fromkeys(orders, Verdict.MISSING_IN_NETSUITE)


@dataclass
class FaultAtCall(OpenGate):
    """Injects faults when the client is about to send certain calls, counted from 1."""

    bench: Bench
    at: tuple[int, ...]
    calls: int = 0

    @asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncIterator[None]:
        self.calls += 1
        if self.calls in self.at:
            self.bench.running.sandbox.faults.inject(FaultKind.stale_page, "tiktok", "/orders/search")
        yield


@pytest.mark.parametrize(("stale_calls", "complete"), [((3,), True), ((3, 5), False)])
def test_a_listing_shorter_than_announced_is_repeated_once_and_then_is_no_basis_for_a_proof(
    bench: Bench, stale_calls: tuple[int, ...], complete: bool
) -> None:
    """Call 1 asks for the shops, 2 and 3 for the two pages, 4 and 5 for the pages again."""
    orders = [bench.order(placed_at=JUST_NOW) for _ in range(150)]
    bench.gate = FaultAtCall(bench, stale_calls)
    proof = bench.prove(TODAY)
    if complete:
        assert verdicts(proof) == dict.fromkeys(orders, Verdict.WAITING_WITHIN_GRACE)
    else:
        assert "lists 100 of the 150 orders" in proof.statement
        assert {check(proof).state for check in CHECKS} == {"not_run"}


def test_an_order_that_does_not_tell_when_it_was_placed_is_proved_with_the_day_that_lists_it(
    bench: Bench,
) -> None:
    order_id = bench.order()
    bench.world.mutate(order_id, lambda order: order.update(create_time=""))
    assert list(verdicts(bench.prove())) == [order_id]


def test_a_shop_code_is_taken_literally(bench: Bench) -> None:
    """In LIKE an underscore stands for any character, so `u_` would also match `us`."""
    bench.sale("576999999999999999")
    shop = bench.mapping.shops["us"].model_copy(update={"code": "u_"})
    reading = bench.ask(lambda sources: read_day(replace(sources, shop=shop), DAY))
    assert reading.sales_orders == {}


def test_a_lagging_query_is_asked_again_before_an_order_is_called_missing(bench: Bench) -> None:
    order_id = bench.order()
    bench.sale(order_id)
    bench.running.sandbox.faults.inject(FaultKind.suiteql_lag, "netsuite", "suiteql", times=2)
    assert verdicts(bench.prove()) == {order_id: Verdict.MATCHED}


# --- what lands ------------------------------------------------------------------------------


def test_what_was_read_and_concluded_lands_and_can_be_reopened(bench: Bench) -> None:
    matched, missing = bench.order(), bench.order(price="3.00")
    sale = bench.sale(matched)
    bench.prove(run_id="run-7")

    assert {row["order_id"] for row in bench.lake.current(tables.RAW_TIKTOK_ORDERS)} == {matched, missing}
    [read] = bench.lake.current(tables.RAW_NETSUITE_SALES_ORDERS)
    assert (read["netsuite_id"], read["foreign_total"], read["tran_date"]) == (sale, Decimal(20), DAY)
    rows = {row["order_id"]: row for row in bench.lake.current(tables.ORDER_RECONCILIATION)}
    assert rows[matched] | {"run_id": "run-7", "verdict": "matched", "netsuite_id": sale} == rows[matched]
    assert (rows[matched]["owed"], rows[matched]["posted"], rows[matched]["difference"]) == (20, 20, 0)
    assert (rows[missing]["verdict"], rows[missing]["owed"], rows[missing]["posted"]) == (
        "missing_in_netsuite",
        6,
        None,
    )
    [statement] = bench.lake.current(tables.ORDER_RECONCILIATION_STATEMENTS)
    assert (statement["tiktok_orders"], statement["netsuite_sales_orders"], statement["differences"]) == (
        2,
        1,
        1,
    )
    assert "1 missing in netsuite" in statement["statement"]


def test_reading_touches_neither_ledger_nor_lake(bench: Bench) -> None:
    bench.sale(bench.order())
    reading = bench.ask(lambda sources: read_day(sources, DAY))
    assert (len(reading.orders), len(reading.sales_orders)) == (1, 1)
    assert bench.lake.tables_present() == []
