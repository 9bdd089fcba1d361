"""Which of TikTok's amounts add up, held against documented and real rows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.tiktok.finance_keys import (
    BREAKDOWN_AMOUNTS,
    BREAKDOWN_REPEATS,
    FLAT_MEMOS,
    FLAT_REPEATS,
    FLAT_TOTALS,
    NEVER_ADDED,
    SUPPLEMENTARY,
    counts_flat,
    counts_in_breakdown,
    group_of_amount,
    group_of_type,
)

BY_STATEMENT = sample("doc_finance_transactions_by_statement_202501.json")["response"]["data"]
FLAT = sample("oas_finance_transactions_by_statement_202309.json")["response"]["data"]
UNSETTLED = sample("doc_finance_unsettled_202507.json")["response"]["data"]
VIETNAM = sample("real_vn_finance.json")["statement_transaction_202309"]


def amounts_of(part: dict[str, Any]) -> Iterator[str]:
    """The names of a breakdown's amounts, those that are memos left out."""
    for name, value in part.items():
        if isinstance(value, dict):
            if name != SUPPLEMENTARY:
                yield from amounts_of(cast("dict[str, Any]", value))
        else:
            yield name


def breakdowns(row: dict[str, Any]) -> list[str]:
    parts = ("revenue_breakdown", "shipping_cost_breakdown", "fee_tax_breakdown")
    return [name for part in parts for name in amounts_of(row.get(part, {}))]


def test_every_documented_amount_of_a_statement_counts_or_repeats() -> None:
    names = breakdowns(BY_STATEMENT["transactions"][0])

    assert len(names) > 80
    assert {name for name in names if not counts_in_breakdown(name)} <= BREAKDOWN_REPEATS


def test_every_documented_estimate_is_known() -> None:
    names = breakdowns(UNSETTLED["transactions"][0])

    assert {name for name in names if not counts_in_breakdown(name)} <= NEVER_ADDED


def test_every_documented_flat_amount_is_known() -> None:
    names = {name for name in FLAT["statement_transactions"][0] if name.endswith(("_amount", "_pit"))}

    assert len(names) > 45
    known = FLAT_REPEATS | FLAT_TOTALS | FLAT_MEMOS
    assert {name for name in names if not counts_flat(name, local=True)} - known == {
        "actual_shipping_fee_amount",
        "platform_shipping_fee_discount_amount",
        "actual_return_shipping_fee_amount",
    }
    assert {name for name in names if counts_flat(name, local=True)} & known == set()
    assert {name for name in names if counts_flat(name, local=False)} & known == set()


def test_a_real_row_leaves_the_rest_that_tiktok_does_not_itemise() -> None:
    counted = sum(
        Decimal(value)
        for name, value in VIETNAM.items()
        if isinstance(value, str) and counts_flat(name, local=False)
    )

    assert Decimal(VIETNAM["settlement_amount"]) - counted == Decimal(-48050)


def test_an_amount_is_in_one_group() -> None:
    names = [name for group in BREAKDOWN_AMOUNTS.values() for name in group]

    assert len(names) == len(set(names))
    assert not set(names) & (BREAKDOWN_REPEATS | FLAT_TOTALS)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("subtotal_before_discount_amount", "sales"),
        ("gross_sales_refund_amount", "refunds"),
        ("affiliate_partner_commission_amount", "affiliate"),
        ("fbm_shipping_cost_amount", "shipping"),
        ("affiliate_commission_before_pit", None),
        ("settlement_amount", None),
        ("a_fee_of_next_year", None),
    ],
)
def test_an_amount_has_the_group_that_an_accountant_books(name: str, group: str | None) -> None:
    assert group_of_amount(name) == group


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("PLATFORM_PENALTY", "platform_adjustments"),
        ("Platform penalty", "platform_adjustments"),
        ("Violation fee （credit card）", "platform_adjustments"),
        ("Bill payment （negative balance）", "balances"),
        ("BILL_PAYMENT_(NEGATIVE_BALANCE)", "balances"),
        ("ORDER", None),
        ("RESERVE", None),
        ("SOMETHING_NEW", None),
    ],
)
def test_a_type_has_its_group_however_it_is_spelt(name: str, group: str | None) -> None:
    assert group_of_type(name) == group
