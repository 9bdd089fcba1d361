from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import account, customer, fields_of, line, order
from tiktok_ns_pipeline.sandbox.books import BookError, Books

CLEARING = {"account": {"id": "125"}}


def fulfil(books: Books, order_id: str, *lines: dict[str, Any], status: str = "C", **fields: Any) -> str:
    body = {"shipStatus": {"id": status}, **fields}
    if lines:
        body["item"] = {"items": list(lines)}
    return books.transform("salesOrder", order_id, "itemFulfillment", body).id


def status_of(books: Books, order_id: str) -> str:
    return fields_of(books, "salesOrder", order_id)["status"]


def on_hand(books: Books, item: str, location: str = "6") -> tuple[D, D, D]:
    position = books.stock(item, location)
    return position.on_hand, position.committed, position.backordered


def part(number: int, quantity: int, **fields: Any) -> dict[str, Any]:
    return {"orderLine": number, "quantity": quantity, "itemReceive": True, **fields}


class TestFulfilment:
    def test_an_empty_body_ships_all_that_is_open(self) -> None:
        books = account()
        made = order(books, line("301", 2), line("302", 1))
        shipped = fields_of(books, "itemFulfillment", fulfil(books, made))
        assert [(one["orderLine"], one["quantity"]) for one in shipped["item"]] == [(1, 2), (2, 1)]
        assert status_of(books, made) == "F"
        assert on_hand(books, "301") == (4_998, 0, 0)

    def test_lines_that_are_not_mentioned_are_shipped_too(self) -> None:
        books = account()
        made = order(books, line("301", 2), line("302", 1))
        shipped = fields_of(books, "itemFulfillment", fulfil(books, made, part(1, 1)))
        assert [(one["orderLine"], one["quantity"]) for one in shipped["item"]] == [(1, 1), (2, 1)]

    def test_a_line_is_left_out_when_told(self) -> None:
        books = account()
        made = order(books, line("301", 2), line("302", 1))
        fulfil(books, made, part(1, 1), {"orderLine": 2, "itemReceive": False})
        after = fields_of(books, "salesOrder", made)
        assert [one["quantityFulfilled"] for one in after["item"]] == [1, 0]
        assert after["status"] == "E"  # what was shipped can be billed

    def test_picked_goods_reserve_the_order_but_do_not_leave(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        picked = fulfil(books, made, status="A")
        assert (status_of(books, made), on_hand(books, "301")) == ("B", (5_000, 2, 0))
        with pytest.raises(BookError, match="at least one valid line"):
            fulfil(books, made)
        books.patch("itemFulfillment", picked, {"shipStatus": {"id": "C"}})
        assert (status_of(books, made), on_hand(books, "301")) == ("F", (4_998, 0, 0))

    def test_a_deleted_fulfilment_brings_the_goods_back(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        books.delete("itemFulfillment", fulfil(books, made))
        assert (status_of(books, made), on_hand(books, "301")) == ("B", (5_000, 2, 0))

    def test_a_kit_leaves_as_its_members(self) -> None:
        books = account()
        made = order(books, line("350", 3))  # one SKU-001 and two SKU-002 each
        assert (on_hand(books, "301")[1], on_hand(books, "302")[1]) == (3, 6)
        shipped = fields_of(books, "itemFulfillment", fulfil(books, made))
        assert [(one["item"], one["quantity"], one.get("kitMemberOf")) for one in shipped["item"]] == [
            ("350", 3, None),
            ("301", 3, 1),
            ("302", 6, 1),
        ]
        assert (on_hand(books, "301")[0], on_hand(books, "302")[0]) == (4_997, 4_994)

    def test_a_pack_takes_its_pieces_from_stock(self) -> None:
        books = account()
        fulfil(books, order(books, line("301", 2, units="2")))
        assert on_hand(books, "301")[0] == 5_000 - 12

    def test_a_line_without_location_cannot_leave(self) -> None:
        books = account()
        made = order(books, line("301", location=None))
        with pytest.raises(BookError, match="Items list: Location"):
            fulfil(books, made)
        fulfil(books, made, part(1, 1, location={"id": "6"}))

    @pytest.mark.parametrize(
        ("lines", "path"),
        [
            ([part(1, 3)], "item.items[0].quantity"),
            ([part(9, 1)], "item.items[0].orderLine"),
            ([part(1, 1, location={"id": "9"})], "item.items[0].location"),
        ],
    )
    def test_a_bad_line_fails_the_whole_call(self, lines: list[Any], path: str) -> None:
        books = account()
        made = order(books, line("301", 2))
        with pytest.raises(BookError) as caught:
            fulfil(books, made, *lines)
        assert caught.value.path == path
        assert list(books.records("itemFulfillment")) == []

    def test_an_order_that_awaits_approval_or_is_closed_cannot_leave(self) -> None:
        books = account()
        waiting, closed = order(books, orderStatus=None), order(books, line("301", isClosed=True))
        for one in (waiting, closed):
            with pytest.raises(BookError, match="invalid reference"):
                fulfil(books, one)

    def test_a_fulfilled_line_can_neither_shrink_below_it_nor_go(self) -> None:
        books = account()
        made = order(books, line("301", 3), line("302"))
        fulfil(books, made, part(1, 2), {"orderLine": 2, "itemReceive": False})
        for body, replace in (
            ({"item": {"items": [{"line": 1, "quantity": 1}]}}, frozenset[str]()),
            ({"item": {"items": [{"line": 2}]}}, frozenset({"item"})),
        ):
            with pytest.raises(BookError):
                books.patch("salesOrder", made, body, replace)

    def test_an_order_with_followers_cannot_be_deleted(self) -> None:
        books = account()
        made = order(books)
        fulfil(books, made, status="A")
        with pytest.raises(BookError, match="dependent records"):
            books.delete("salesOrder", made)

    def test_a_fulfilment_is_made_from_an_order_only(self) -> None:
        with pytest.raises(BookError, match="from a sales order only"):
            account().create("itemFulfillment", {})

    def test_the_external_id_of_the_body_guards_a_transform(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        rest = {"orderLine": 1, "quantity": 1}
        fulfil(books, made, rest, externalId="tts-if-1")
        with pytest.raises(BookError, match="already exists"):
            fulfil(books, made, rest, externalId="TTS-IF-1")


class TestStock:
    def test_who_ordered_first_is_served_first_and_new_goods_go_to_who_waits(self) -> None:
        books = account()
        books.set_stock("301", "6", 3)
        first, second = order(books, line("301", 2)), order(books, line("301", 2))
        assert [
            books.get("salesOrder", one)["item"]["items"][0]["quantityCommitted"] for one in (first, second)
        ] == [2, 1]
        assert on_hand(books, "301") == (3, 3, 1)
        books.set_stock("301", "6", 10)
        assert on_hand(books, "301") == (10, 4, 0)

    def test_closing_frees_what_was_held(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "isClosed": True}]}})
        assert on_hand(books, "301") == (5_000, 0, 0)

    def test_a_line_that_moves_to_another_location_takes_its_claim_along(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "location": {"id": "7"}}]}})
        assert (on_hand(books, "301", "6")[1], on_hand(books, "301", "7")[1]) == (0, 2)

    @settings(max_examples=80, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("order"), st.integers(1, 9)),
                st.tuples(st.just("stock"), st.integers(0, 20)),
                st.tuples(st.sampled_from(["close", "delete", "ship"]), st.integers(0, 20)),
            ),
            max_size=25,
        )
    )
    def test_committed_is_the_lesser_of_stock_and_claims_whatever_happens(
        self, steps: list[tuple[str, int]]
    ) -> None:
        books = account()
        books.set_stock("301", "6", 10)
        buyer, orders = customer(books), list[str]()
        for action, number in steps:
            if action == "order":
                orders.append(order(books, line("301", number), customer_id=buyer))
            elif action == "stock":
                books.set_stock("301", "6", number)
            elif orders:
                self._act(books, action, orders, number % len(orders))
            stock, committed, backordered = on_hand(books, "301")
            claimed = sum(
                one["quantity"] - one["quantityFulfilled"]
                for made in orders
                for one in fields_of(books, "salesOrder", made)["item"]
                if not one["isClosed"]
            )
            assert committed == min(max(stock, D(0)), claimed)
            assert committed + backordered == claimed

    @staticmethod
    def _act(books: Books, action: str, orders: list[str], index: int) -> None:
        if action == "close":
            books.patch("salesOrder", orders[index], {"item": {"items": [{"line": 1, "isClosed": True}]}})
        elif action == "ship" and status_of(books, orders[index]) == "B":
            fulfil(books, orders[index])
        elif action == "delete" and not _is_fulfilled(books, orders[index]):
            books.delete("salesOrder", orders.pop(index))


def _is_fulfilled(books: Books, order_id: str) -> bool:
    return any(one["createdFrom"]["id"] == order_id for one in books.records("itemFulfillment"))


class TestBilling:
    def test_an_invoice_bills_what_was_shipped_and_what_needs_no_shipping(self) -> None:
        books = account()
        made = order(books, line("301", 2), line("901", 1, "4.99", location=None))
        fulfil(books, made, part(1, 1))
        bill = books.transform("salesOrder", made, "invoice", {"externalId": "tts-inv-1"}).record
        assert (bill.get("total"), bill.get("amountRemaining"), bill.get("status")) == (
            D("14.99"),
            D("14.99"),
            "A",
        )
        assert status_of(books, made) == "D"

    def test_a_cash_sale_into_clearing_ends_a_shipped_order(self) -> None:
        books = account()
        made = order(books, line("301", 2), line("902", None, "-1.50", location=None))
        fulfil(books, made)
        sale = books.transform("salesOrder", made, "cashSale", CLEARING).record
        assert (sale.get("total"), sale.get("status")) == (D("18.50"), "C")
        assert status_of(books, made) == "G"
        with pytest.raises(BookError, match="invalid reference"):
            books.transform("salesOrder", made, "cashSale", CLEARING)

    def test_a_cash_sale_must_say_where_the_money_lies(self) -> None:
        books = account()
        made = order(books)
        fulfil(books, made)
        with pytest.raises(BookError, match="Account"):
            books.transform("salesOrder", made, "cashSale", {})
        books.transform("salesOrder", made, "cashSale", {"undepFunds": {"id": "true"}})

    def test_nothing_shipped_is_nothing_to_bill(self) -> None:
        books = account()
        with pytest.raises(BookError, match="at least one valid line"):
            books.transform("salesOrder", order(books), "invoice", {})

    def test_a_deleted_bill_can_be_made_again(self) -> None:
        books = account()
        made = order(books)
        fulfil(books, made)
        books.delete("cashSale", books.transform("salesOrder", made, "cashSale", CLEARING).id)
        assert status_of(books, made) == "F"
        books.transform("salesOrder", made, "cashSale", CLEARING)

    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(2, 9), st.decimals(min_value="0.01", max_value=99, places=2), st.lists(st.integers(1, 4))
    )
    def test_partial_bills_sum_to_the_order_to_the_cent(
        self, quantity: int, amount: D, parts: list[int]
    ) -> None:
        books = account()
        british = customer(books, "2")
        made = order(
            books,
            line("301", quantity, round(amount / 7, 6), amount=amount, location={"id": "9"}),
            customer_id=british,
        )
        fulfil(books, made)
        billed, left = D(0), quantity
        for wanted in [*parts, quantity]:
            number = min(wanted, left)
            if number:
                body = {"item": {"items": [part(1, number)]}}
                body["item"]["items"][0].pop("itemReceive")
                billed += books.transform("salesOrder", made, "invoice", body).record.get("total")
                left -= number
        assert billed == fields_of(books, "salesOrder", made)["total"]
        assert status_of(books, made) == "G"

    def test_other_transforms_are_refused(self) -> None:
        books = account()
        with pytest.raises(BookError, match="can not initialize"):
            books.transform("salesOrder", order(books), "creditMemo", {})

    def test_documents_that_this_role_may_not_write_are_refused(self) -> None:
        with pytest.raises(BookError) as caught:
            account().create("customerDeposit", {})
        assert (caught.value.status, caught.value.code) == (403, "INSUFFICIENT_PERMISSION")


def journal(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"subsidiary": {"id": "1"}, "line": {"items": list(lines)}, **fields}


DEBIT = {"account": {"id": "128"}, "debit": D("912.40")}
CREDIT = {"account": {"id": "125"}, "credit": D("912.40")}


class TestJournals:
    def test_a_balanced_journal_waits_for_approval(self) -> None:
        books = account()
        made = books.create("journalEntry", journal(DEBIT, CREDIT)).id
        assert fields_of(books, "journalEntry", made)["status"] == "A"
        books.patch("journalEntry", made, {"approved": True})
        after = fields_of(books, "journalEntry", made)
        assert (after["status"], after["approvalStatus"]) == ("B", "2")

    @pytest.mark.parametrize(
        ("lines", "says"),
        [
            ([DEBIT, {**CREDIT, "credit": D("912.41")}], "must balance"),
            ([DEBIT], "at least two lines"),
            ([{**DEBIT, "credit": D(0)}, CREDIT], "Invalid Field Value"),
            ([{"debit": D(1)}, CREDIT], "Account"),
            ([{**DEBIT, "account": {"id": "119"}}, CREDIT], "must have an entity"),
        ],
    )
    def test_a_bad_journal_is_refused(self, lines: list[Any], says: str) -> None:
        with pytest.raises(BookError, match=says):
            account().create("journalEntry", journal(*lines))

    def test_a_closed_period_takes_no_journal_and_no_change_of_one(self) -> None:
        books = account()
        made = books.create("journalEntry", journal(DEBIT, CREDIT, tranDate="2026-05-31")).id
        books.close_period("May 2026")
        for action in (
            lambda: books.create("journalEntry", journal(DEBIT, CREDIT, tranDate="2026-05-31")),
            lambda: books.patch("journalEntry", made, {"approved": True}),
        ):
            with pytest.raises(BookError, match="not within the date range of your accounting period"):
                action()
        books.create("journalEntry", journal(DEBIT, CREDIT, tranDate="2026-06-01"))
        with pytest.raises(LookupError):
            books.close_period("Mai 2026")

    def test_a_closed_period_takes_no_shipment_and_no_bill_but_an_order(self) -> None:
        books = account()
        books.close_period("May 2026")
        made = order(books, tranDate="2026-05-31")
        with pytest.raises(BookError, match="accounting period"):
            fulfil(books, made, tranDate="2026-05-31")
        fulfil(books, made, tranDate="2026-06-01")
        with pytest.raises(BookError, match="accounting period"):
            books.transform("salesOrder", made, "invoice", {"tranDate": "2026-05-31"})


class TestMasters:
    def test_a_customer_needs_a_name_and_a_subsidiary(self) -> None:
        books = account()
        for body in ({"subsidiary": {"id": "1"}}, {"companyName": "X"}, {"isPerson": True, "lastName": "X"}):
            with pytest.raises(BookError, match=r"Please enter value\(s\) for"):
                books.create("customer", body)

    def test_a_customer_with_more_currencies_can_buy_in_them(self) -> None:
        books = account()
        buyer = customer(books, currencyList={"items": [{"currency": {"id": "3"}}]})
        assert fields_of(books, "salesOrder", order(books, customer_id=buyer, currency={"id": "3"}))[
            "exchangeRate"
        ] == D("1.08")

    def test_items_are_made_with_what_their_kind_needs_and_names_are_unique(self) -> None:
        books = account()
        body = {
            "itemId": "NEW-1",
            "taxSchedule": {"id": "1"},
            "assetAccount": {"id": "213"},
            "cogsAccount": {"id": "212"},
            "subsidiary": {"items": [{"id": "1"}]},
        }
        books.create("inventoryItem", body)
        with pytest.raises(BookError, match="already exists"):
            books.create("inventoryItem", body)
        with pytest.raises(BookError, match="COGS Account"):
            books.create("inventoryItem", {**body, "itemId": "NEW-2", "cogsAccount": None})

    def test_an_inactive_item_or_customer_cannot_be_sold(self) -> None:
        books = account()
        books.patch("inventoryItem", "301", {"isInactive": True})
        with pytest.raises(BookError) as caught:
            order(books)
        assert caught.value.path == "item.items[0].item"

    def test_a_customer_with_transactions_cannot_be_deleted(self) -> None:
        books = account()
        buyer = customer(books)
        made = order(books, customer_id=buyer)
        with pytest.raises(BookError, match="dependent records"):
            books.delete("customer", buyer)
        books.delete("salesOrder", made)
        books.delete("customer", buyer)
