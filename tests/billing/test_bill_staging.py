"""From a shipment and its Sales Order to a bill: shares, taxes, days, and what cannot be billed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.orders.order_builder import mapping_with
from tests.sandbox.netsuite_account import account, customer, line, order
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.billing.document import Bill, Fulfilment, MalformedFulfilment
from tiktok_ns_pipeline.billing.records import FieldNames, bill_body
from tiktok_ns_pipeline.billing.staging import Problem, stage_bill
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.netsuite.periods import Period, Periods
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.books.store import Record

FIELDS = FieldNames("custbody_tts_order_id", "custbody_tts_shop", "custbody_tts_payload_hash")
KEY = "custcol_tts_line_key"
JUNE = date(2026, 6, 1)
OPEN = Periods([Period("Jun 2026", JUNE, date(2026, 6, 30), is_open=True)])


def into(account_id: str) -> str:
    """Cash Sales into that clearing account."""
    return f'billing: {{policy: cash_sale, account_id: "{account_id}"}}'


CASH_SALE = into("125")


def shop(billing: str = CASH_SALE) -> Shop:
    return mapping_with(shop=billing).shops["us"]


def shipped(parts: Mapping[int, Any], fulfilment_id: str = "70012", **changes: Any) -> Fulfilment:
    row = {
        "shop": "us",
        "day": JUNE,
        "channel": "tiktok",
        "order_id": "576400000000000001",
        "fulfilment_id": fulfilment_id,
        "tran_id": "IF10001",
        "sales_order_id": "70011",
        "status": "C",
        "gone": False,
        "tran_date": JUNE,
        "modified_at": datetime(2026, 6, 1, 20, tzinfo=UTC),
        "lines": exact_json.dumps([{"orderLine": one, "quantity": D(many)} for one, many in parts.items()]),
        **changes,
    }
    return Fulfilment.of(row)


def sales_order(books: Books, order_id: str) -> SalesOrder:
    return SalesOrder.of(books.get("salesOrder", order_id), KEY)


def staged(
    books: Books, order_id: str, lines: Mapping[int, Any], *, of: Shop | None = None, periods: Periods = OPEN
) -> Bill | Problem:
    one = shipped(lines)
    return stage_bill(one, sales_order(books, order_id), one.lines, of or shop(), periods)


def fulfil(books: Books, order_id: str, lines: Mapping[int, Any]) -> str:
    told = [
        {"orderLine": number, "quantity": many, "itemReceive": True}
        if (many := lines.get(number))
        else {"orderLine": number, "itemReceive": False}
        for number in (one["line"] for one in books.record("salesOrder", order_id).lines())
    ]
    body = {"shipStatus": {"id": "C"}, "item": {"items": told}}
    return books.transform("salesOrder", order_id, "itemFulfillment", body).record.id


def billed(books: Books, order_id: str, lines: Mapping[int, Any], **how: Any) -> Record:
    """Ship and bill as the pipeline would; checks that NetSuite makes of it what was expected."""
    made = fulfil(books, order_id, lines)
    one = shipped(lines, made)
    bill = stage_bill(one, sales_order(books, order_id), one.lines, how.get("of") or shop(), OPEN)
    assert isinstance(bill, Bill), bill
    saved = books.transform("salesOrder", order_id, bill.record_type, bill_body(bill, "hash", FIELDS)).record
    assert saved.get("total") == bill.expected_total
    return saved


def amounts(record: Record) -> dict[int, D]:
    return {one["orderLine"]: one["amount"] for one in record.lines()}


def test_a_bill_says_where_it_belongs() -> None:
    books = account()
    made = order(books, line("301", 2))
    fulfil(books, made, {1: 2})
    bill = staged(books, made, {1: 2})
    assert isinstance(bill, Bill)
    assert bill.external_id == "tts-us-cs-576400000000000001-70012"
    assert (bill.record_type, bill.account_id, bill.tran_date) == ("cashSale", "125", JUNE)
    assert bill.memo == "TikTok Shop order 576400000000000001, shipment IF10001"
    assert bill_body(bill, "hash", FIELDS)["undepFunds"] == {"id": "false"}

    invoice = staged(books, made, {1: 2}, of=shop("billing: {policy: invoice}"))
    assert isinstance(invoice, Bill)
    assert (invoice.record_type, invoice.account_id) == ("invoice", None)
    assert invoice.external_id == "tts-us-inv-576400000000000001-70012"


def test_every_line_with_anything_left_is_mentioned_those_of_other_shipments_with_nothing() -> None:
    books = account()
    made = order(
        books,
        line("301", 2, **{KEY: "a"}),
        line("902", None, "-2.00", location=None, **{KEY: "a/discount"}),
        line("302", 1, **{KEY: "b"}),
        line("902", None, "-1.00", location=None, **{KEY: "b/discount"}),
        line("901", 1, "4.00", location=None, **{KEY: "shipping"}),
    )
    fulfil(books, made, {1: 1})
    bill = staged(books, made, {1: 1})
    assert isinstance(bill, Bill)
    assert bill_body(bill, "hash", FIELDS)["item"]["items"] == [
        {"orderLine": 1, "quantity": 1, "amount": D("10.00")},
        {"orderLine": 2, "amount": D("-1.00")},
        {"orderLine": 3, "quantity": 0},
        {"orderLine": 4, "amount": 0},
        {"orderLine": 5, "quantity": 1, "amount": D("4.00")},
    ]
    assert bill.expected_total == D("13.00")


def test_the_marketplaces_tax_pair_goes_with_the_first_bill() -> None:
    books = account()
    made = order(
        books,
        line("301", 2, "10.00", **{KEY: "a"}),
        line("903", 1, "1.85", location=None, **{KEY: "tax:collected"}),
        line("904", 1, "-1.85", location=None, **{KEY: "tax:remitted"}),
    )
    assert amounts(billed(books, made, {1: 1})) == {1: D("10.00"), 2: D("1.85"), 3: D("-1.85")}
    assert amounts(billed(books, made, {1: 1})) == {1: D("10.00")}


def test_a_discount_of_several_lines_is_shared_by_what_they_cost() -> None:
    books = account()
    made = order(
        books,
        line("301", 2, "3.33", **{KEY: "a"}),
        line("301", 1, "3.34", **{KEY: "a+"}),
        line("902", None, "-1.00", location=None, **{KEY: "a/discount"}),
    )
    assert amounts(billed(books, made, {1: 1})) == {1: D("3.33"), 3: D("-0.33")}
    assert amounts(billed(books, made, {2: 1})) == {2: D("3.34"), 3: D("-0.34")}
    assert amounts(billed(books, made, {1: 1})) == {1: D("3.33"), 3: D("-0.33")}


def test_somebody_elses_discount_is_about_the_line_above_it() -> None:
    books = account()
    made = order(books, line("301"), line("902", None, "-0.99", location=None), line("302"))
    assert amounts(billed(books, made, {3: 1})) == {3: D("10.00")}
    assert amounts(billed(books, made, {1: 1})) == {1: D("10.00"), 2: D("-0.99")}


def test_a_discount_of_gifts_that_cost_nothing_is_shared_by_number() -> None:
    books = account()
    free = line("301", 2, "0.00", **{KEY: "a"})
    made = order(books, free, line("902", None, "-1.00", location=None, **{KEY: "a/discount"}))
    assert amounts(billed(books, made, {1: 1}))[2] == D("-0.50")


@pytest.mark.parametrize("engine", ["suitetax", "legacy"])
def test_tax_is_the_orders_own_share_whatever_the_engine(engine: Any) -> None:
    books = account()
    books.set_tax_engine(engine)
    british = customer(books, "2")
    place = {"location": {"id": "9"}}
    if engine == "legacy":
        taxed = line("301", 3, "8.33", taxCode={"id": "20"}, tax1Amt=D("5.00"), **place)
        made = order(books, taxed, customer_id=british)
    else:
        detail = {
            "taxDetailsReference": "LINE_1",
            "taxType": {"id": "1"},
            "taxCode": {"id": "20"},
            "taxBasis": D("24.99"),
            "taxRate": D(20),
            "taxAmount": D("5.00"),
        }
        taxed = line("301", 3, "8.33", taxDetailsReference="LINE_1", **place)
        made = order(
            books, taxed, customer_id=british, taxDetailsOverride=True, taxDetails={"items": [detail]}
        )
    pounds = shop(into("126")).model_copy(update={"currency": "GBP", "currency_id": "2"})
    taxes = [billed(books, made, {1: 1}, of=pounds).get("taxTotal") for _ in range(3)]
    assert taxes == [D("1.67"), D("1.66"), D("1.67")]


def test_currencies_without_cents_are_shared_in_whole_units() -> None:
    books = account()
    made = order(
        books,
        line("301", 3, "33333", **{KEY: "a"}, location={"id": "10"}),
        line("902", None, "-10000", location=None, **{KEY: "a/discount"}),
        customer_id=customer(books, "3"),
        taxDetailsOverride=True,
        taxDetails={"items": []},
    )
    dong = shop(into("127")).model_copy(update={"currency": "VND", "currency_id": "4"})
    shares = [amounts(billed(books, made, {1: 1}, of=dong))[2] for _ in range(3)]
    assert shares == [-3333, -3334, -3333]


class TestDays:
    CLOSED = Period("Jun 2026", JUNE, date(2026, 6, 30), is_open=False)
    AUGUST = Period("Aug 2026", date(2026, 8, 1), date(2026, 8, 31), is_open=True)

    @pytest.mark.parametrize("lock", ["closed", "alllocked", "arlocked"])
    def test_a_locked_or_closed_month_is_shut(self, lock: str) -> None:
        row = {"id": "78", "periodname": "Jun 2026", "starts_on": "2026-06-01", "ends_on": "2026-06-30"}
        assert not Periods.of([{**row, lock: "T"}]).is_open(JUNE)
        assert Periods.of([{**row, lock: "F"}]).is_open(JUNE)

    def test_a_bill_moves_to_the_next_open_month_with_the_true_day_in_the_memo(self) -> None:
        books = account()
        made = order(books)
        fulfil(books, made, {1: 1})
        bill = staged(books, made, {1: 1}, periods=Periods([self.AUGUST, self.CLOSED]))
        assert isinstance(bill, Bill)
        assert bill.tran_date == date(2026, 8, 1)
        assert bill.memo.endswith("shipped on 2026-06-01 (that period is closed)")

    def test_an_open_month_before_the_shipment_is_of_no_use(self) -> None:
        may = Period("May 2026", date(2026, 5, 1), date(2026, 5, 31), is_open=True)
        assert Periods([may, self.CLOSED]).posting_day(JUNE) is None

    def test_no_open_month_is_a_problem(self) -> None:
        books = account()
        made = order(books)
        problem = staged(books, made, {1: 1}, periods=Periods([self.CLOSED]))
        assert isinstance(problem, Problem)
        assert problem.kind == "no_open_period"


class TestUnbillable:
    def test_lines_that_the_order_does_not_have(self) -> None:
        books = account()
        problem = staged(books, order(books), {7: 1})
        assert isinstance(problem, Problem)
        assert (problem.kind, problem.cause) == ("unbillable_fulfilment", "unknown_line")

    def test_more_than_is_left_to_bill(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        billed(books, made, {1: 1})
        problem = staged(books, made, {1: 1})
        assert isinstance(problem, Problem)
        assert problem.cause == "billed_already"

    def test_an_order_in_another_currency(self) -> None:
        books = account()
        made = order(books, line(location={"id": "9"}), customer_id=customer(books, "2"))
        problem = staged(books, made, {1: 1})
        assert isinstance(problem, Problem)
        assert problem.cause == "currency"

    def test_a_shipment_of_nothing(self) -> None:
        books = account()
        problem = staged(books, order(books), {})
        assert isinstance(problem, Problem)
        assert problem.cause == "no_lines"

    @pytest.mark.parametrize(
        "lines", ["", "{}", "[{}]", '[{"orderLine": 1}]', '[{"orderLine":1,"quantity":-1}]']
    )
    def test_lines_that_cannot_be_read(self, lines: str) -> None:
        with pytest.raises(MalformedFulfilment, match="576400000000000001"):
            shipped({}, lines=lines)

    def test_members_of_a_kit_are_not_what_is_billed(self) -> None:
        lines = '[{"orderLine":1,"quantity":2},{"orderLine":1,"quantity":4,"kitMemberOf":1}]'
        assert shipped({}, lines=lines).lines == {1: D(2)}


goods = st.tuples(st.integers(1, 4), st.decimals("0", "99", places=2), st.decimals("0", "20", places=2))


@settings(max_examples=80, deadline=None)
@given(
    lines=st.lists(goods, min_size=1, max_size=4),
    shipping=st.decimals("0", "9", places=2),
    taxed=st.booleans(),
    parcels=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), max_size=6),
)
@example([(1, D(0), D(0)), (2, D(0), D("0.01"))], D(0), True, [[0, 1, 0, 0]])  # half a cent of discount
def test_however_an_order_is_shipped_its_bills_sum_to_it_to_the_cent(
    lines: list[tuple[int, D, D]], shipping: D, taxed: bool, parcels: list[list[int]]
) -> None:
    books = account()
    body: list[dict[str, Any]] = []
    left: dict[int, int] = {}
    for index, (quantity, price, discount) in enumerate(lines):
        place = {"location": {"id": "9" if taxed else "6"}}
        body.append(line(f"30{index + 1}", quantity, price, **{KEY: f"k{index}"}, **place))
        left[len(body)] = quantity
        if discount:
            body.append(line("902", None, -discount, location=None, **{KEY: f"k{index}/discount"}))
    if shipping:
        body.append(line("901", 1, shipping, location=None, **{KEY: "shipping"}))
    made = order(books, *body, customer_id=customer(books, "2" if taxed else "1"))
    pounds = {"currency": "GBP", "currency_id": "2"}
    of = shop(into("126")).model_copy(update=pounds) if taxed else shop()
    numbers = list(left)
    ordered = dict(left)
    bills: list[Record] = []
    for parcel in [*parcels, [*ordered.values()]]:
        wanted = dict(zip(numbers, parcel, strict=False))
        part = {number: many for number in numbers if (many := min(wanted[number], left[number]))}
        if part:
            left = {number: many - part.get(number, 0) for number, many in left.items()}
            bills.append(billed(books, made, part, of=of))
    total = books.record("salesOrder", made).get("total")
    assert sum(record.get("total") for record in bills) == total
    for number in numbers:
        taken = [one for record in bills for one in record.lines() if one["orderLine"] == number]
        assert sum(one["quantity"] for one in taken) == ordered[number]
    assert books.record("salesOrder", made).get("status") == "G"
