"""Payouts and refunds: nothing is posted unless the file says so, and no amount goes where nobody said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.orders.order_builder import ROOT, mapping_with
from tiktok_ns_pipeline.mapping import Mapping, MappingError, load_mapping
from tiktok_ns_pipeline.mapping.settlements import Booked, PostedSettlement, Undecided
from tiktok_ns_pipeline.tiktok.finance_keys import BREAKDOWN_AMOUNTS, TRANSACTION_TYPES

POST = "policy: post, clearing_account_id: 125, bank_account_id: 127"
FEE = "referral_fee_amount"


def complaint(changes: str = "", shop: str = "") -> str:
    with pytest.raises(MappingError) as caught:
        mapping_with(changes, shop)
    return str(caught.value)


def booked(mapping: Mapping, name: str = FEE) -> Booked:
    found = mapping.booking_of_amount(mapping.shops["us"], name)
    assert isinstance(found, Booked), found
    return found


def test_a_file_that_says_nothing_posts_nothing() -> None:
    mapping = mapping_with()
    shop = mapping.shops["us"]

    assert (shop.settlement.policy, shop.refunds.policy, shop.bookings) == ("none", "none", None)
    assert mapping.refunds.model_dump() == {
        "goods_wait_days": 30,
        "refund_wait_days": 7,
        "reply_warning_hours": 24,
    }


@pytest.mark.parametrize(
    ("code", "clearing", "refunds"),
    [("us", "125", "as_billed"), ("uk", "126", "as_billed"), ("vn", "127", "none")],
)
def test_the_sandbox_file_decides_about_everything_that_is_known(
    code: str, clearing: str, refunds: str
) -> None:
    mapping = load_mapping(ROOT / "config" / "mapping.sandbox.yaml")
    shop = mapping.shops[code]

    assert isinstance(shop.settlement, PostedSettlement)
    assert (shop.settlement.clearing_account_id, shop.refunds.policy) == (clearing, refunds)
    for group in BREAKDOWN_AMOUNTS.values():
        assert all(isinstance(mapping.booking_of_amount(shop, name), Booked) for name in group)
    for types in TRANSACTION_TYPES.values():
        assert all(isinstance(mapping.booking_of_transaction(shop, name), Booked) for name in types)
    assert isinstance(mapping.booking_of_residual(shop), Booked)


def test_the_sandbox_file_shows_what_a_shop_decides_by_itself() -> None:
    mapping = load_mapping(ROOT / "config" / "mapping.sandbox.yaml")
    affiliate = mapping.booking_of_amount(mapping.shops["us"], "affiliate_commission_amount")
    assert isinstance(affiliate, Booked)
    assert affiliate.rule == "shops.us.settlement.booking.groups.affiliate"
    # Nothing is billed in Vietnam: what was sold is booked by the payout itself.
    sold = mapping.booking_of_amount(mapping.shops["vn"], "subtotal_before_discount_amount")
    assert isinstance(sold, Booked)
    assert (sold.booking.account_id, sold.booking.clears) == ("54", False)


def test_what_was_sold_and_given_back_clears_what_was_billed() -> None:
    mapping = mapping_with(shop=f"settlement: {{{POST}}}")

    for name in ("subtotal_before_discount_amount", "gross_sales_refund_amount"):
        assert booked(mapping, name).booking.clears
    other = mapping_with('settlements: {groups: {sales: "400"}}')
    assert booked(other, "seller_discount_amount").booking.account_id == "400"


FOUR = {
    f"shops.us.settlement.booking.amounts.{FEE}": ("shop", f"amounts: {{{FEE}: 1}}"),
    "shops.us.settlement.booking.groups.commission": ("shop", "groups: {commission: 2}"),
    f"settlements.amounts.{FEE}": ("file", f"amounts: {{{FEE}: 3}}"),
    "settlements.groups.commission": ("file", "groups: {commission: 4}"),
}


@given(st.sets(st.sampled_from(sorted(FOUR)), min_size=1))
def test_the_shop_decides_before_the_file_and_the_name_before_its_group(rules: set[str]) -> None:
    parts = {
        side: ", ".join(text for rule, (where, text) in FOUR.items() if rule in rules and where == side)
        for side in ("shop", "file")
    }
    mapping = mapping_with(
        f"settlements: {{{parts['file']}}}", f"settlement: {{{POST}, booking: {{{parts['shop']}}}}}"
    )

    first = next(rule for rule in FOUR if rule in rules)
    assert booked(mapping).rule == first
    assert booked(mapping).booking.account_id == str(list(FOUR).index(first) + 1)


def test_a_line_may_have_segments_and_a_memo() -> None:
    mapping = mapping_with(
        "settlements: {groups: {commission: {account_id: 620, class_id: 3, memo: TikTok commission}}}"
    )

    booking = booked(mapping).booking
    assert (booking.account_id, booking.class_id, booking.memo) == ("620", "3", "TikTok commission")


@pytest.mark.parametrize("name", ["affiliate_commission_amount", "brand_new_fee_2027"])
def test_an_amount_that_nobody_decided_proposes_a_line_that_decides_it(name: str) -> None:
    mapping = mapping_with()
    found = mapping.booking_of_amount(mapping.shops["us"], name)

    assert isinstance(found, Undecided)
    assert booked(mapping_with(filled(found)), name).booking.account_id == "600"


@pytest.mark.parametrize("name", ["PLATFORM_PENALTY", "Violation fee （credit card）", "SOMETHING_NEW: 50%"])
def test_a_type_that_nobody_decided_proposes_a_line_that_decides_it(name: str) -> None:
    mapping = mapping_with()
    found = mapping.booking_of_transaction(mapping.shops["us"], name)

    assert isinstance(found, Undecided)
    decided = mapping_with(filled(found))
    assert isinstance(decided.booking_of_transaction(decided.shops["us"], name), Booked)


def test_a_rest_without_an_account_waits() -> None:
    mapping = mapping_with()
    found = mapping.booking_of_residual(mapping.shops["us"])

    assert isinstance(found, Undecided)
    decided = mapping_with(filled(found))
    rest = decided.booking_of_residual(decided.shops["us"])
    assert isinstance(rest, Booked)
    assert rest.rule == "settlements.residual"


def filled(undecided: Undecided) -> str:
    """The section that a person writes who takes the proposal."""
    line = undecided.proposal.replace("<account id>", "600")
    for key in reversed(undecided.section.split(".")):
        line = f"{key}: {{{line}}}"
    return line


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("settlements: {groups: {affiliates: 1}}", "settlements.groups.affiliates"),
        ("settlements: {groups: {affiliate: fees}}", "settlements.groups.affiliate"),
        ("settlements: {amounts: {settlement_amount: 1}}", "repeats or sums other amounts, so it is never"),
        ("settlements: {amounts: {affiliate_commission_amount_before_pit: 1}}", "never booked; remove it"),
        ("settlements: {amounts: {Referral Fee: 1}}", "settlements.amounts.Referral Fee"),
        ("settlements: {transactions: {ORDER: 1}}", "orders are booked by `amounts` and `groups`"),
        ("settlements: {transactions: {RESERVE: 1}}", "`reserve_account_id` of the shop"),
        ("settlements: {transactions: {PLATFORM_PENALTY: 1, Platform penalty: 2}}", "are the same type"),
        ("settlements: {group: {}}", "did you mean `groups`?"),
        ("refunds: {goods_wait_days: 0}", "refunds.goods_wait_days: Input should be greater"),
    ],
)
def test_a_wrong_section_says_where_and_what_to_write(section: str, says: str) -> None:
    assert says in complaint(section)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (
            "settlement: {policy: post}",
            "clearing_account_id: this is missing; write `clearing_account_id: ...`",
        ),
        ("settlement: {policy: none, bank_account_id: 1}", "there is no such key here"),
        (f"settlement: {{{POST}, document: bill}}", "'bill' is not one of 'journal_per_payout'"),
        (f"settlement: {{{POST}, reserve_account_id: 125}}", "each needs an account of its own"),
        (f"settlement: {{{POST}, accrual: {{policy: by_month}}}}", "account_id: this is missing"),
        (
            f"settlement: {{{POST}, document: deposit_per_payout, approval: approved}}",
            "a bank deposit is never approved",
        ),
        (
            f"settlement: {{{POST}}}\nbilling: {{policy: cash_sale, account_id: 126}}",
            "Cash Sales go into account 126, payouts empty account 125; write the same account",
        ),
        ("refunds: {policy: as_billed}", "item_id: this is missing"),
        (
            "refunds: {policy: as_billed, item_id: 905, receipt: never}",
            "'never' is not one of 'watch' or 'make'",
        ),
        (
            "refunds: {policy: as_billed, item_id: 905, larger_than_billed: {policy: account}}",
            "account_id: this is missing",
        ),
    ],
)
def test_a_wrong_decision_of_a_shop_says_where_and_what_to_write(key: str, says: str) -> None:
    assert says in complaint(shop=key)
