"""What rows of money say of themselves, in documented and real payloads (T 7.3-7.10)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.finance_models import (
    ListedPayment,
    ListedStatement,
    StatementTransaction,
    UnsettledTotals,
    UnsettledTransaction,
    Withdrawal,
)

_VN = sample("real_vn_finance.json")
_US = sample("real_fragments_us_mx.json")
_BR = sample("real_br_order_and_unsettled.json")["unsettled_transaction"]
_UNSETTLED = sample("doc_finance_unsettled_202507.json")["response"]["data"]
_WITHDRAWALS = sample("oas_finance_statements_payments_withdrawals.json")[2]["response"]["data"]


def test_a_real_statement_of_vietnam_is_read() -> None:
    statement = ListedStatement.parse(_VN["statement"])
    assert statement.statement_time == datetime(2026, 8, 15, tzinfo=UTC)
    assert statement.payment_time == datetime(2026, 8, 15, 2, 29, 48, tzinfo=UTC)
    assert (statement.payment_id, statement.payment_status) == ("3681946141890086135", "PAID")
    assert statement.settlement_amount == Decimal(960885)
    assert (statement.revenue_amount, statement.fee_amount) == (Decimal(1585500), Decimal(-624615))


def test_a_real_payment_names_the_currency_of_every_amount() -> None:
    payment = ListedPayment.parse(_VN["payment"])
    assert payment.amount is not None
    assert payment.reserve_amount is not None
    assert (payment.amount.value, payment.amount.currency) == (Decimal(2176420), "VND")
    assert payment.reserve_amount.value == 0
    assert payment.exchange_rate == 1
    assert payment.paid_time == datetime(2026, 8, 16, 3, 54, 58, tzinfo=UTC)


def test_an_unpaid_payment_of_the_united_states_has_no_time_of_payment() -> None:
    payment = ListedPayment.parse(_US["us_payment_202309_unpaid"])
    assert (payment.status, payment.paid_time) == ("PROCESSING", None)
    assert payment.amount is not None
    assert payment.amount.value == Decimal("2454.78")
    assert (payment.reserve_amount, payment.settlement_amount) == (None, None)


def test_a_fragment_of_a_statement_states_no_amount_rather_than_zero() -> None:
    statement = ListedStatement.parse(_US["us_statement_202309"])
    assert (statement.id, statement.payment_id, statement.settlement_amount) == ("STMT1", "PAY1", None)


def test_a_flat_row_and_one_with_breakdowns_say_who_they_are_alike() -> None:
    flat = StatementTransaction.parse(_VN["statement_transaction_202309"])
    assert (flat.type, flat.order_id, flat.currency) == ("ORDER", "585335984381331327", "VND")
    assert (flat.settlement_amount, flat.fee_amount, flat.fee_tax_amount) == (
        Decimal(274434),
        Decimal(-221114),
        None,
    )
    rows = sample("doc_finance_transactions_by_statement_202501.json")["response"]["data"]["transactions"]
    row = StatementTransaction.parse(rows[0])
    assert row.associated_order_id == "78217892102382101"
    assert row.release_time == datetime.fromtimestamp(1685548800, UTC)
    assert (row.fee_amount, row.fee_tax_amount) == (None, Decimal(-30))


def test_a_real_adjustment_needs_an_id_and_nothing_of_an_order() -> None:
    raw = _US["us_adjustment_transaction_202309"]
    with pytest.raises(WireError, match="transaction without a readable id: id is missing"):
        StatementTransaction.parse(raw)
    row = StatementTransaction.parse({**raw, "id": "1"})
    assert (row.type, row.adjustment_id, row.order_id) == ("NET_EARNINGS_BALANCE", "ADJ1", None)
    assert row.adjustment_amount == Decimal("4.64")


@pytest.mark.parametrize(
    ("written", "read"), [("0 ", Decimal(0)), ("", None), (None, None), (" -7.18", Decimal("-7.18"))]
)
def test_an_amount_is_exact_and_nothing_is_not_zero(written: Any, read: Decimal | None) -> None:
    assert StatementTransaction.parse({"id": "1", "settlement_amount": written}).settlement_amount == read


def test_an_amount_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(WireError, match="transaction 1: settlement_amount is no amount"):
        StatementTransaction.parse({"id": "1", "settlement_amount": "a lot"})


def test_a_released_reserve_has_no_time_of_release() -> None:
    row = StatementTransaction.parse({"id": "1", "reserve_amount": "5", "estimated_release_time": ""})
    assert (row.reserve_amount, row.release_time) == (Decimal(5), None)


def test_a_movement_of_a_wallet_is_read() -> None:
    movement = Withdrawal.parse(_WITHDRAWALS["withdrawals"][0])
    assert (movement.type, movement.status, movement.amount) == ("WITHDRAW", "PROCESSING", Decimal(100))


def test_estimates_and_their_sums_are_read() -> None:
    row = UnsettledTransaction.parse(_UNSETTLED["transactions"][0])
    assert (row.est_settlement_amount, row.est_shipping_cost_amount) == (Decimal(130), Decimal(-70))
    assert row.settles_at == datetime.fromtimestamp(1685548800, UTC)
    totals = UnsettledTotals.parse(_UNSETTLED)
    assert (totals.sum_est_settlement_amount, totals.total_count) == (Decimal(100), 2)


@pytest.mark.parametrize("policy", ["Delivered + 7 days", "15 days after delivery", "", None, "0", "1" * 40])
def test_a_policy_in_words_is_no_time(policy: str | None) -> None:
    assert UnsettledTransaction.parse({"id": "1", "estimated_settlement": policy}).settles_at is None


def test_a_real_estimate_of_brazil_is_read_to_the_cent() -> None:
    row = UnsettledTransaction.parse({"id": "1", **_BR})
    amounts = row.est_revenue_amount, row.est_fee_tax_amount, row.est_settlement_amount
    assert amounts == (Decimal("189.2"), Decimal("-44.78"), Decimal("144.42"))
