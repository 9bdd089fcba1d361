"""Matching: what was settled of an order beside its documents, with a verdict and reasons that add up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.settlements.payouts import Raw, adjustment_row, order_row
from tiktok_ns_pipeline.settlements.booking import Settled
from tiktok_ns_pipeline.settlements.matching import (
    DocumentKind,
    OrderDocument,
    applications,
    match_order,
    match_orders,
    match_transaction,
    together,
)
from tiktok_ns_pipeline.settlements.shapes import read_transaction

ORDER = "5770000001"


def settled(sales: str = "0", refunds: str = "0", shipping: str = "0", other: str = "0") -> Settled:
    return Settled(ORDER, Decimal(sales), Decimal(refunds), Decimal(shipping), Decimal(other))


def document(
    kind: DocumentKind, amount: str = "0", *, identity: str = "", shipping: str = "0", is_open: str = "0"
) -> OrderDocument:
    return OrderDocument(
        ORDER, kind, identity or f"{kind}{amount}", Decimal(amount), Decimal(shipping), Decimal(is_open)
    )


SALES_ORDER = document("sales_order")
BILL = document("cash_sale", "100")


@pytest.mark.parametrize(
    ("of", "documents", "verdict", "difference", "reasons"),
    [
        pytest.param(settled("100"), [SALES_ORDER, BILL], "cleared", "0", [], id="even"),
        pytest.param(
            settled("100", "-30"),
            [BILL, document("cash_refund", "30")],
            "cleared",
            "0",
            [],
            id="refunded and credited",
        ),
        pytest.param(
            settled(), [BILL], "partly", "-100", [("not_settled", "-100")], id="billed and not settled yet"
        ),
        pytest.param(
            settled("100", "-30"),
            [BILL],
            "partly",
            "-30",
            [("refund_not_credited", "-30")],
            id="refund settled before its credit",
        ),
        pytest.param(
            settled("100"),
            [BILL, document("credit_memo", "30")],
            "over",
            "30",
            [("credit_not_settled", "30")],
            id="credit before its refund settles",
        ),
        pytest.param(
            settled("100"),
            [document("cash_sale", "107", shipping="7")],
            "partly",
            "-7",
            [("shipping", "-7")],
            id="shipping was billed and not settled",
        ),
        pytest.param(
            settled("100", shipping="7"), [BILL], "over", "7", [("shipping", "7")], id="shipping not billed"
        ),
        pytest.param(settled("99.99"), [BILL], "partly", "-0.01", [("residual", "-0.01")], id="a cent"),
        pytest.param(
            settled("100", other="-12"), [BILL], "partly", "-12", [("other", "-12")], id="an adjustment"
        ),
        pytest.param(
            settled("100"), [SALES_ORDER], "unbilled", "100", [("residual", "100")], id="never billed"
        ),
        pytest.param(settled("100"), [], "no_document", "100", [("residual", "100")], id="nothing of it"),
        pytest.param(
            settled("60"),
            [document("invoice", "60", identity="1"), document("invoice", "40", identity="2")],
            "partly",
            "-40",
            [("residual", "-40")],
            id="two bills, one settled",
        ),
    ],
)
def test_an_order_has_a_verdict_and_the_reasons_of_its_difference(
    of: Settled, documents: list[OrderDocument], verdict: str, difference: str, reasons: list[tuple[str, str]]
) -> None:
    match = match_order(of, documents)

    assert (match.verdict, match.difference) == (verdict, Decimal(difference))
    assert [(reason.name, reason.amount) for reason in match.reasons] == [
        (name, Decimal(amount)) for name, amount in reasons
    ]


def test_an_order_from_before_the_books_began_is_told_apart() -> None:
    matches = match_orders({ORDER: settled("100"), "9": Settled("9", Decimal(5))}, [], not_ours=[ORDER])

    assert {match.order_id: match.verdict for match in matches} == {ORDER: "not_ours", "9": "no_document"}


def test_an_order_that_was_refunded_before_it_was_billed_is_even() -> None:
    assert match_order(settled("50", "-50"), [SALES_ORDER]).verdict == "cleared"


def test_a_document_counts_once_and_orders_without_settlement_stay_visible() -> None:
    other = OrderDocument("9", "invoice", "55", Decimal(20))

    matches = match_orders({ORDER: settled("100")}, [BILL, BILL, other])

    assert [(match.order_id, match.verdict) for match in matches] == [(ORDER, "cleared"), ("9", "partly")]


def test_what_several_payouts_settle_of_an_order_is_compared_together() -> None:
    first, later = {ORDER: settled("100")}, {ORDER: settled("0", "-30")}

    both = together([first, later])

    assert both[ORDER].total == 70
    assert first[ORDER].total == 100  # nobody's sums were changed
    assert match_order(both[ORDER], [BILL, document("cash_refund", "30")]).verdict == "cleared"


SALE, REFUND = "revenue.subtotal_before_discount_amount", "revenue.refund_subtotal_before_discount_amount"


@pytest.mark.parametrize(
    ("row", "kinds", "state", "found"),
    [
        (order_row("1", ORDER, {SALE: "9"}), ["sales_order", "invoice"], "matched", ["invoice"]),
        (order_row("1", ORDER, {SALE: "9"}), ["sales_order", "cash_refund"], "unmatched", []),
        (order_row("1", ORDER, {REFUND: "-9"}), ["cash_sale", "cash_refund"], "matched", ["cash_refund"]),
        (order_row("1", ORDER, {SALE: "9", REFUND: "-4"}), ["invoice"], "unmatched", ["invoice"]),
        (
            adjustment_row("1", "CHARGE_BACK", "-9", adjustment_order_id=ORDER),
            ["cash_sale", "sales_order"],
            "matched",
            ["cash_sale", "sales_order"],
        ),
        (adjustment_row("1", "PLATFORM_PENALTY", "-9"), ["cash_sale"], "no_order", []),
    ],
)
def test_a_transaction_is_matched_with_the_documents_that_it_clears(
    row: Raw, kinds: list[DocumentKind], state: str, found: list[str]
) -> None:
    others = OrderDocument("9", "invoice", "of another order", Decimal(9))
    documents = [document(kind, "9", identity=kind) for kind in kinds]

    match = match_transaction(read_transaction(row), [others, *documents])

    assert (match.state, list(match.document_ids)) == (state, found)


CENTS = st.integers(0, 20_000).map(lambda cents: Decimal(cents) / 100)
DOCUMENTS = st.lists(
    st.builds(
        lambda kind, amount, shipping, number: OrderDocument(
            ORDER, kind, str(number), amount + shipping, shipping, amount + shipping
        ),
        st.sampled_from(["sales_order", "cash_sale", "invoice", "credit_memo", "cash_refund"]),
        CENTS,
        CENTS,
        st.integers(1, 99),
    ),
    max_size=5,
    unique_by=lambda one: one.internal_id,
)
SETTLED = st.builds(
    lambda sales, refunds, shipping, other: Settled(ORDER, sales, -refunds, shipping, other),
    CENTS,
    CENTS,
    CENTS | CENTS.map(lambda amount: -amount),
    CENTS | CENTS.map(lambda amount: -amount),
)


@settings(deadline=None)
@given(SETTLED, DOCUMENTS)
def test_the_reasons_sum_to_the_difference(of: Settled, documents: list[OrderDocument]) -> None:
    match = match_order(of, documents)

    assert sum(reason.amount for reason in match.reasons) == match.difference
    if match.verdict in ("cleared", "partly", "over"):
        sign = {"cleared": 0, "partly": -1, "over": 1}[match.verdict]
        assert match.difference.compare(Decimal(0)) == sign


# Invoices that are paid out of clearing


@pytest.mark.parametrize(
    ("of", "documents", "applied"),
    [
        pytest.param(settled("100"), [("invoice", "100")], ["100"], id="paid"),
        pytest.param(settled("60"), [("invoice", "100")], ["60"], id="paid in part"),
        pytest.param(
            settled("100", "-30"),
            [("invoice", "100"), ("credit_memo", "30")],
            ["-30", "100"],
            id="sale and refund in one statement",
        ),
        pytest.param(settled("0", "-30"), [("credit_memo", "30")], ["-30"], id="a later refund"),
        pytest.param(settled("100", "-30"), [("invoice", "100")], ["70"], id="the credit is not there yet"),
        pytest.param(
            settled("100"),
            [("invoice", "100"), ("credit_memo", "30")],
            ["100"],
            id="the refund is not settled yet",
        ),
        pytest.param(settled("120"), [("invoice", "100")], ["100"], id="never more than is open"),
        pytest.param(settled("100"), [("cash_sale", "100")], [], id="a Cash Sale is paid"),
    ],
)
def test_what_is_cleared_pays_open_documents(
    of: Settled, documents: list[tuple[DocumentKind, str]], applied: list[str]
) -> None:
    found = [document(kind, amount, is_open=amount) for kind, amount in documents]

    assert [one.amount for one in applications(of, found)] == [Decimal(amount) for amount in applied]


@settings(deadline=None)
@given(SETTLED, DOCUMENTS)
def test_applications_never_exceed_what_is_open_or_cleared(
    of: Settled, documents: list[OrderDocument]
) -> None:
    applied = applications(of, documents)

    assert sum(one.amount for one in applied) <= max(of.total, Decimal(0))
    assert len({one.document.internal_id for one in applied}) == len(applied)
    for one in applied:
        assert 0 < abs(one.amount) <= one.document.open_amount
        assert (one.amount > 0) is (one.document.kind == "invoice")
