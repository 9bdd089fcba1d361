"""TikTok's answers about money become components, in three shapes, real ones to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.settlements.payouts import MIDNIGHT, adjustment_row, decisions, order_row, reserve_row
from tests.tiktok.samples import sample
from tiktok_ns_pipeline.settlements.booking import FeeMap, StatementBook, StatementSums
from tiktok_ns_pipeline.settlements.footing import Footed, Footing, Residual, Unfooted
from tiktok_ns_pipeline.settlements.journal import BookedPayout, Posting
from tiktok_ns_pipeline.settlements.shapes import is_local, read_payment, read_statement, read_transaction
from tiktok_ns_pipeline.settlements.statement import MalformedStatement

VIETNAM = sample("real_vn_finance.json")
BRAZIL = sample("real_br_order_and_unsettled.json")
FRAGMENTS = sample("real_fragments_us_mx.json")
NEWER = sample("doc_finance_transactions_by_statement_202501.json")["response"]["data"]
ESTIMATES = sample("doc_finance_unsettled_202507.json")["response"]["data"]
FLAT = sample("oas_finance_transactions_by_statement_202309.json")["response"]["data"]
LISTS = sample("oas_finance_statements_payments_withdrawals.json")


def head_of(row: Mapping[str, Any], identity: str, midnight: int) -> dict[str, Any]:
    """The flat head of a statement with this transaction alone."""
    names = ("revenue_amount", "net_sales_amount", "shipping_cost_amount", "fee_amount", "adjustment_amount")
    return {
        "statement_id": identity,
        "statement_time": midnight,
        "currency": row["currency"],
        "settlement_amount": row["settlement_amount"],
        **{name: row[name] for name in names if name in row},
    }


# real_vn_finance.json


def test_real_vn_finance_transaction_leaves_the_residual_that_has_no_field() -> None:
    one = read_transaction(VIETNAM["statement_transaction_202309"])

    assert one.settlement == one.grouped == Decimal(274434)
    assert {component.name: component.amount for component in one.components} == {
        "gross_sales_amount": Decimal(825912),
        "seller_discount_amount": Decimal(-330364),
        "platform_commission_amount": Decimal(-74332),
        "affiliate_commission_amount": Decimal(-74332),
        "actual_shipping_fee_amount": Decimal(-54400),
        "platform_shipping_fee_discount_amount": Decimal(30000),
    }
    # Shipping is inside the fees, so it is no group of its own.
    assert "shipping" not in one.groups
    assert one.groups["revenue"].residual == 0
    assert one.groups["fee_tax"].residual == Decimal(-48050)


def test_real_vn_finance_statement_and_payment_are_even_in_themselves() -> None:
    statement = read_statement("vn", "VN", VIETNAM["statement"])
    payment = read_payment("vn", VIETNAM["payment"])

    (totals,) = statement.totals
    assert totals.settlement == sum(totals.groups.values()) == Decimal(960885)
    assert (statement.day, statement.currency) == (date(2026, 8, 14), "VND")
    assert statement.payment_id == "3681946141890086135"
    assert payment.is_paid
    assert payment.before_exchange == payment.amount == payment.settlement == Decimal(2176420)
    assert payment.paid_at == datetime(2026, 8, 16, 3, 54, 58, tzinfo=UTC)


def test_real_vn_finance_becomes_a_journal_to_the_dong() -> None:
    mapping = decisions(shop="region: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh")
    row = VIETNAM["statement_transaction_202309"]
    head = head_of(row, "7677029942223210260", 1_786_838_400)
    listed = {**head, "id": head.pop("statement_id"), "payment_id": VIETNAM["payment"]["id"]}
    payment = {
        **VIETNAM["payment"],
        **{
            name: {"value": "274434", "currency": "VND"}
            for name in ("amount", "settlement_amount", "payment_amount_before_exchange")
        },
    }
    fees = FeeMap(mapping, mapping.shops["us"])
    book = StatementBook(read_statement("us", "VN", listed), fees, lambda _: None)
    book.add(read_transaction(row))
    sums = book.close()
    assert isinstance(sums, StatementSums)
    result = Posting(fees, "VND", lambda day: day).book(read_payment("us", payment), [sums])

    assert isinstance(result, BookedPayout)
    assert {line.memo: line.amount for line in result.journals[0].lines} == {
        "gross_sales_amount": Decimal(-825912),
        "seller_discount_amount": Decimal(330364),
        "TikTok payout": Decimal(274434),
        "actual_shipping_fee_amount": Decimal(54400),
        "platform_shipping_fee_discount_amount": Decimal(-30000),
        "platform_commission_amount": Decimal(74332),
        "affiliate_commission_amount": Decimal(74332),
        "Not itemised by TikTok": Decimal(48050),
    }
    assert result.residuals == (Residual(row["id"], row["order_id"], "fee_tax", Decimal(-48050)),)


# real_br_order_and_unsettled.json


def test_real_br_unsettled_leaves_the_fee_that_is_not_itemised() -> None:
    # The sample was cut to its amounts; whose they are is put back.
    one = read_transaction({"id": "1", "type": "ORDER", **BRAZIL["unsettled_transaction"]}, with_memos=True)

    assert one.settlement == one.grouped == Decimal("144.42")
    assert one.groups["fee_tax"].listed == Decimal("-38.78")
    assert one.groups["fee_tax"].residual == Decimal("-6.00")
    assert [memo.name for memo in one.memos] == ["affiliate_commission_before_pit_amount"]


# real_fragments_us_mx.json


def test_real_us_transaction_names_what_its_fees_do_not_list() -> None:
    row = {
        "id": "1",
        "type": "ORDER",
        **FRAGMENTS["us_statement_transaction_202309"],
        # Not in the fragment: net sales of 28 and what follows from them.
        "net_sales_amount": "28",
        "settlement_amount": "20.82",
    }
    one = read_transaction(row, local=True)

    assert one.settlement == one.grouped
    assert one.groups["fee_tax"] == (Decimal("-7.18"), Decimal("-5.89"))
    assert one.groups["fee_tax"].residual == Decimal("-1.29")


def test_real_us_adjustment_has_only_the_time_of_its_order() -> None:
    row = {"id": "1", "settlement_amount": "4.64", **FRAGMENTS["us_adjustment_transaction_202309"]}
    one = read_transaction(row, local=True)

    assert (one.type, one.settlement, one.about) == ("NET_EARNINGS_BALANCE", Decimal("4.64"), "")
    assert one.placed_at is not None


def test_real_us_fragments_are_refused_where_the_money_is_missing() -> None:
    with pytest.raises(MalformedStatement, match="Statement STMT1 of shop us has no currency"):
        read_statement("us", "US", FRAGMENTS["us_statement_202309"])
    with pytest.raises(MalformedStatement, match="has no id or no type"):
        read_transaction(FRAGMENTS["us_statement_transaction_202309"], local=True)


def test_real_us_payment_is_not_paid_yet() -> None:
    payment = read_payment("us", FRAGMENTS["us_payment_202309_unpaid"])

    assert (payment.amount, payment.currency) == (Decimal("2454.78"), "USD")
    assert not payment.is_paid
    assert payment.paid_at is None
    assert payment.before_exchange is None


# Documented ones: every key, with numbers that were made up


def test_doc_finance_transactions_by_statement_reads_whole_and_is_refused() -> None:
    statement = read_statement("uk", "GB", None, NEWER)
    one = read_transaction(NEWER["transactions"][0], with_memos=True)
    footing = Footing(statement)
    footing.add(one)
    result = footing.close()

    assert (statement.payable, statement.reserve, statement.row_count) == (Decimal(150), Decimal(20), 2)
    assert len(one.components) == 49
    assert "sales_tax_refund_amount" not in {memo.name for memo in one.memos}  # told as "0 "
    assert isinstance(result, Unfooted)
    order = f"transaction {one.id} of order {one.order_id}"
    assert {(fault.place, fault.difference) for fault in result.faults} >= {
        (f"settlement_amount of {order}", Decimal(-140)),
        (f"revenue of {order}", Decimal(168)),
        ("total_reserve_amount", Decimal(-80)),
        ("number of transactions", Decimal(1)),
    }


def test_doc_finance_unsettled_adds_no_sales_tax() -> None:
    one = read_transaction(ESTIMATES["transactions"][0], with_memos=True)

    names = {component.name for component in one.components}
    assert not {name for name in names if name.startswith(("sales_tax", "retail_delivery"))}
    assert one.groups["revenue"].residual == 0
    assert {memo.name for memo in one.memos} >= {"sales_tax_amount", "sales_tax_payment_amount"}


@pytest.mark.parametrize("region", ["GB", "VN"])
def test_oas_flat_transactions_read_whole_in_every_market(region: str) -> None:
    local = is_local(region)
    one = read_transaction(FLAT["statement_transactions"][0], local=local)
    statement = read_statement("s", region, None, FLAT)

    assert one.groups.keys() >= {"revenue", "fee_tax", "adjustment"}
    assert statement.settlement == one.settlement == Decimal(130)
    assert one.groups["revenue"].total == (Decimal(70) if local else Decimal(200))


def test_oas_statements_and_payments_read_whole() -> None:
    listed = LISTS[0]["response"]["data"]["statements"][0]
    paid = LISTS[1]["response"]["data"]["payments"][0]
    statement, payment = read_statement("uk", "GB", listed), read_payment("uk", paid)

    assert statement.totals[0].groups["revenue"] == Decimal(-70)
    assert (payment.settlement, payment.reserve, payment.before_exchange, payment.exchange_rate) == (
        Decimal(130),
        Decimal(-30),
        Decimal(100),
        Decimal(1),
    )


# What the shapes have of their own


def test_a_repeat_and_a_supplementary_amount_are_never_components() -> None:
    row = order_row("1", "5", {"fee_tax.fee.affiliate_commission_amount": "-3"})
    row["fee_tax_breakdown"]["fee"]["affiliate_commission_amount_before_pit"] = "-3"
    row["shipping_cost_breakdown"]["supplementary_component"] = {"customer_shipping_fee": "5"}
    row["supplementary_component"] = {"sales_tax_amount": "1.20", "sales_tax_refund_amount": "0 "}

    one = read_transaction(row, with_memos=True)

    assert one.components == (("fee_tax.fee.affiliate_commission_amount", Decimal(-3)),)
    assert {memo.path for memo in one.memos} == {
        "fee_tax.fee.affiliate_commission_amount_before_pit",
        "shipping.supplementary_component.customer_shipping_fee",
        "supplementary_component.sales_tax_amount",
    }
    assert read_transaction(row).memos == ()


def test_an_unknown_amount_counts_wherever_it_stands() -> None:
    row = order_row("1", "5", {"fee_tax.fee.new_fee": "-3", "fee_tax.levy.eco.new_tax": "-1"})

    paths = [component.path for component in read_transaction(row).components]

    assert paths == ["fee_tax.fee.new_fee", "fee_tax.levy.eco.new_tax"]


FLAT_ROW = {
    "id": "1",
    "type": "ORDER",
    "order_id": "5",
    "gross_sales_amount": "20",
    "net_sales_amount": "20",
    "fee_amount": "-2",
    "referral_fee_amount": "-2",
    "shipping_cost_amount": "0",
    "adjustment_amount": "0",
    "settlement_amount": "18",
}


@pytest.mark.parametrize(
    ("listed", "counts"),
    [
        pytest.param("-2", False, id="adds up without it"),
        pytest.param("-1.50", True, id="adds up with it"),
        pytest.param("-1", True, id="adds up in no way"),
    ],
)
def test_an_unknown_flat_amount_counts_unless_everything_adds_up_without_it(
    listed: str, counts: bool
) -> None:
    one = read_transaction({**FLAT_ROW, "referral_fee_amount": listed, "new_fee": "-0.50"}, local=True)

    assert ("fee_tax.new_fee" in {component.path for component in one.components}) is counts


@pytest.mark.parametrize("apart", [True, False])
def test_shipping_outside_uk_and_us_is_where_the_amounts_say(apart: bool) -> None:
    row = {
        **FLAT_ROW,
        "revenue_amount": "20",
        "actual_shipping_fee_amount": "-4",
        "shipping_cost_amount": "-4",
        "fee_amount": "-2" if apart else "-6",
        "settlement_amount": "14",
    }
    one = read_transaction(row)

    assert ("shipping" in one.groups) is apart
    assert one.grouped == one.settlement
    assert not any(group.residual for group in one.groups.values())


def test_an_adjustment_inside_an_orders_row_is_a_component() -> None:
    row = order_row("1", "5", {"revenue.subtotal_before_discount_amount": "9"})
    one = read_transaction(row | {"adjustment_amount": "-2", "settlement_amount": "7"})

    assert one.grouped == one.settlement == Decimal(7)
    assert ("adjustment.adjustment_amount", Decimal(-2)) in one.components


def test_a_reserve_is_no_settlement() -> None:
    one = read_transaction(reserve_row("1", "-9", "COLLECTED", "5"))

    assert (one.is_reserve, one.reserve, one.settlement, one.about) == (True, Decimal(-9), 0, "5")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"settlement_amount": None}, "tells no settlement_amount"),
        ({"settlement_amount": "12,5"}, "Transaction 1: settlement_amount '12,5' is not a number"),
        ({"fee_tax_amount": 1.5}, "fee_tax_amount float is not an exact number"),
        ({"fee_tax_breakdown": ["no"]}, "fee_tax is no object"),
        ({"id": ""}, "has no id or no type"),
        ({"type": None}, "has no id or no type"),
        ({"order_id": "0"}, "settles an order and has no order_id"),
        ({"order_create_time": "yesterday"}, "order_create_time is no time"),
    ],
)
def test_what_cannot_be_read_is_named(changes: Mapping[str, Any], says: str) -> None:
    row = order_row("1", "5", {"fee_tax.fee.referral_fee_amount": "-1"})

    with pytest.raises(MalformedStatement, match=says):
        read_transaction(row | changes)


def test_a_statement_of_two_ids_or_currencies_is_none() -> None:
    listed = {"id": "1", "statement_time": MIDNIGHT, "currency": "USD", "settlement_amount": "0"}
    for other in ({"id": "2"}, {"currency": "EUR"}, {"statement_time": MIDNIGHT + 1}):
        with pytest.raises(MalformedStatement, match="or two"):
            read_statement("us", "US", listed, listed | other)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"paid_time": 0}, "is paid and does not tell when"),
        ({"amount": None}, "has no id, amount or currency"),
        ({"id": "3/4"}, "has no id, amount or currency"),
        ({"settlement_amount": {"value": "5", "currency": "USD"}}, "settles in two currencies"),
        ({"reserve_amount": "5"}, "reserve_amount is no amount with a currency"),
    ],
)
def test_a_payment_that_cannot_be_read_is_named(changes: Mapping[str, Any], says: str) -> None:
    with pytest.raises(MalformedStatement, match=says):
        read_payment("vn", VIETNAM["payment"] | changes)


def test_nothing_settled_reads_as_nothing() -> None:
    empty = FRAGMENTS["mx_finance_of_a_shop_with_nothing_settled"]

    assert all(rows == [] for answer in empty.values() for rows in answer.values())
    statement = read_statement(
        "mx",
        "MX",
        {"id": "1", "statement_time": MIDNIGHT, "currency": "MXN", "settlement_amount": "0"},
    )
    assert isinstance(Footing(statement).close(), Footed)


def test_an_adjustment_is_one_amount_wherever_it_shows_it() -> None:
    plain = read_transaction(adjustment_row("1", "REBATE", "5"))
    in_revenue = read_transaction(
        adjustment_row("1", "LOGISTICS_REIMBURSEMENT", "5", revenue_amount="5", adjustment_amount="0")
    )
    bare = read_transaction(adjustment_row("1", "PLATFORM_REIMBURSEMENT", "5", adjustment_amount="0"))

    assert [one.settlement for one in (plain, in_revenue, bare)] == [Decimal(5)] * 3
    assert [one.is_bare for one in (plain, in_revenue, bare)] == [False, False, True]
