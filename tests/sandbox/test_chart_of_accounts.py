"""What the sandbox's mapping books to exists in the sandbox's NetSuite, for the right subsidiary."""

import re
from collections.abc import Iterator

import pytest

from tests.orders.order_builder import sandbox_mapping
from tests.sandbox.netsuite_account import account, fields_of, select
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.sandbox.books import BookError

MAPPING = sandbox_mapping()
DAY = {"tranDate": "2024-12-31"}


def own_accounts(shop: Shop) -> Iterator[tuple[str, str]]:
    """The accounts of a shop's money by the kind that NetSuite has them as."""
    settled = shop.settlement
    assert isinstance(settled, PostedSettlement)
    yield "OthCurrAsset", settled.clearing_account_id
    yield "Bank", settled.bank_account_id
    assert settled.reserve_account_id
    yield "OthCurrAsset", settled.reserve_account_id


@pytest.mark.parametrize("code", ["us", "uk", "vn"])
def test_a_shops_money_lies_on_accounts_of_its_currency_and_subsidiary(code: str) -> None:
    books, shop = account(), MAPPING.shops[code]
    for kind, identifier in own_accounts(shop):
        found = fields_of(books, "account", identifier)
        assert (found["acctType"], found["currency"]) == (kind, shop.currency_id)
        assert found["subsidiary"] == (shop.subsidiary_id,)


@pytest.mark.parametrize("code", ["us", "uk", "vn"])
def test_fees_and_differences_are_booked_to_expenses_of_every_subsidiary(code: str) -> None:
    books, shop = account(), MAPPING.shops[code]
    assert isinstance(shop.settlement, PostedSettlement)
    bookings = [*MAPPING.settlements.groups.values(), *MAPPING.settlements.amounts.values()]
    bookings += [*shop.settlement.booking.groups.values(), *MAPPING.settlements.transactions.values()]
    named = {one.account_id for one in bookings if not one.clears}
    named.add(shop.settlement.exchange_difference_account_id or "")
    for identifier in named:
        found = fields_of(books, "account", identifier)
        assert found["acctType"] in {"Expense", "OthExpense", "Income"}
        assert shop.subsidiary_id in found["subsidiary"]
        assert "currency" not in found


def test_the_refund_item_holds_no_stock_and_books_to_returns() -> None:
    books = account()
    for code in ("us", "uk"):
        refunds = MAPPING.shops[code].refunds
        assert isinstance(refunds, RefundsAsBilled)
        [item] = select(books, "SELECT itemid, itemtype FROM item WHERE id = ?", refunds.item_id)
        assert item == {"itemid": "TTS-REFUND", "itemtype": "OthCharge"}


def test_the_year_before_last_is_closed() -> None:
    books = account()
    lines = [{"account": {"id": "128"}, "debit": 1}, {"account": {"id": "125"}, "credit": 1}]
    body = {"subsidiary": {"id": "1"}, "line": {"items": lines}, **DAY}
    with pytest.raises(BookError, match="accounting period"):
        books.create("journalEntry", body)
    shut = select(books, "SELECT periodname FROM accountingperiod WHERE closed = 'T' AND isposting = 'T'")
    assert {re.sub(r"\D", "", row["periodname"]) for row in shut} == {"2024"}
