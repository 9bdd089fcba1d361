"""What a clearing account's balance is made of, as a specification: the items are the balance, always."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.reconciliation.payouts.clearing import Entry, Item, Reason, items_of
from tiktok_ns_pipeline.reconciliation.payouts.model import Settlement

DAY = date(2026, 11, 2)
ORDERS = ("51", "52", "53")

amounts = st.decimals(Decimal("-99.99"), Decimal("99.99"), places=2)
parts = st.dictionaries(st.sampled_from(ORDERS), amounts, max_size=3)


def statement(
    number: int, cleared: dict[str, Decimal], refunded: dict[str, Decimal] | None = None
) -> Settlement:
    return Settlement(
        id=f"3400{number}",
        day=DAY,
        currency="USD",
        payment_id=f"3600{number // 2}",
        settlement=sum(cleared.values(), Decimal(0)),
        reserve=Decimal(0),
        cleared=cleared,
        refunded=refunded or {},
    )


def entry(number: int, amount: Decimal | int | str, *names: str, **orders: Decimal | int) -> Entry:
    told = {order.removeprefix("o"): Decimal(part) for order, part in orders.items()}
    return Entry(str(number), f"T{number}", "USD", Decimal(amount), told, frozenset(names))


def reasons(items: tuple[Item, ...]) -> dict[tuple[Reason, str], Decimal]:
    return {(item.reason, item.subject): item.amount for item in items}


@given(
    st.lists(st.tuples(amounts, parts), max_size=4),
    st.lists(
        st.tuples(amounts, st.sampled_from(["36000", "36001", "34000", "34001", "34003", "999"])), max_size=5
    ),
    st.lists(st.tuples(parts, parts), max_size=4),
)
def test_whatever_is_on_the_account_its_items_are_its_balance(
    others: list[tuple[Decimal, dict[str, Decimal]]],
    payouts: list[tuple[Decimal, str]],
    settled: list[tuple[dict[str, Decimal], dict[str, Decimal]]],
) -> None:
    statements = [statement(number, *each) for number, each in enumerate(settled)]
    entries = [Entry(f"1{n}", f"T1{n}", "USD", amount, own) for n, (amount, own) in enumerate(others)]
    entries += [entry(20 + n, amount, name) for n, (amount, name) in enumerate(payouts)]
    named = {name for one in entries for name in one.payout_names}

    items = items_of(entries, [one for one in statements if {one.id, one.payment_id} & named])

    total = sum((item.amount for item in items), Decimal(0))
    assert total == sum((one.amount for one in entries), Decimal(0))


def test_an_order_that_is_billed_settled_and_credited_as_settled_leaves_nothing() -> None:
    settled = statement(0, {"51": Decimal(20)}, {"51": Decimal(-10)})
    entries = [entry(1, 30, o51=30), entry(2, -10, o51=-10), entry(3, -20, "36000")]

    assert items_of(entries, [settled]) == ()


def test_a_refund_that_is_credited_as_a_smaller_bill_leaves_nothing() -> None:
    settled = statement(0, {"51": Decimal(20)}, {"51": Decimal(-10)})

    assert items_of([entry(1, 20, o51=20), entry(2, -20, "36000")], [settled]) == ()


def test_a_statement_that_is_booked_by_itself_leaves_what_is_owed_until_it_is_paid() -> None:
    settled = statement(0, {"51": Decimal(30)})
    booked, paid = entry(2, 0, "34000"), entry(3, -30, "36000")

    assert reasons(items_of([entry(1, 30, o51=30), booked], [settled])) == {
        (Reason.STATEMENT_NOT_PAID, "34000"): Decimal(30)
    }
    assert items_of([entry(1, 30, o51=30), booked, paid], [settled]) == ()


def test_a_payment_pays_the_orders_of_its_invoices_and_its_rest_is_nobodys() -> None:
    items = items_of([entry(1, 35, o51=20, o52=10)], [])

    assert reasons(items) == {
        (Reason.BILLED_NOT_SETTLED, "51"): Decimal(20),
        (Reason.BILLED_NOT_SETTLED, "52"): Decimal(10),
        (Reason.NOBODYS, "T1"): Decimal(5),
    }
    assert [item.is_explained for item in items] == [True, True, False]
