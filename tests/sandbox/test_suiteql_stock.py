"""What SuiteQL tells of stock, and how it can be read together with the orders that hold it (N 3.4-3.6)."""

from typing import Any

import pytest

from tests.sandbox.netsuite_account import account, line, order, select
from tests.sandbox.stock_documents import adjustment, purchase_order, transfer_order
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.suiteql_translation import SuiteQLError

PLACE = """
    SELECT quantityonhand, quantityavailable, quantitycommitted, quantitybackordered, quantityonorder,
           quantityintransit
    FROM inventoryitemlocations WHERE item = 301 AND location = ?
"""
STOCK_AND_ORDERS = """
    SELECT 2 AS kind, q.item AS item, q.quantityavailable AS available, NULL AS name, NULL AS status
    FROM inventoryitemlocations q
    WHERE q.item = 301 AND q.location = 6
    UNION ALL
    SELECT 1 AS kind, NULL AS item, NULL AS available, t.externalid AS name, t.status AS status
    FROM transaction t
    WHERE t.type = 'SalesOrd' AND t.externalid IN ({names})
    ORDER BY kind ASC, item ASC, name ASC
"""
TOUCHED = """
    SELECT DISTINCT l.item AS item
    FROM transactionline l
    JOIN transaction t ON t.id = l.transaction
    WHERE t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS') AND l.item IS NOT NULL
    ORDER BY item ASC
"""


def touched(books: Books, since: str) -> list[str]:
    return [row["item"] for row in select(books, TOUCHED, since)]


def now(books: Books) -> str:
    [row] = select(books, "SELECT TO_CHAR(SYSDATE, 'YYYY-MM-DD HH24:MI:SS') AS at FROM dual")
    return row["at"]


def later(books: Books, seconds: float = 60.0) -> None:
    books.clock.advance(seconds)  # type: ignore[attr-defined]


class TestInventoryItemLocations:
    def test_tells_all_figures_of_a_place_and_leaves_out_what_is_not_under_way(self) -> None:
        books = account()
        books.set_stock("301", "6", 10)
        order(books, line("301", 14))
        purchase_order(books, "301", 30)
        assert select(books, PLACE, 6) == [
            {
                "quantityonhand": "10",
                "quantityavailable": "0",
                "quantitycommitted": "10",
                "quantitybackordered": "4",
                "quantityonorder": "30",
            }
        ]

    def test_tells_what_is_in_transit_where_it_goes(self) -> None:
        books = account()
        books.transform("transferOrder", transfer_order(books, "301", 10), "itemFulfillment", {})
        [source], [target] = select(books, PLACE, 6), select(books, PLACE, 7)
        assert (source["quantityonhand"], target["quantityonhand"]) == ("4990", "5000")
        assert (source.get("quantityintransit"), target["quantityintransit"]) == (None, "10")

    def test_knows_no_kit_and_no_place_where_nothing_ever_was(self) -> None:
        books = account()
        assert select(books, "SELECT item FROM inventoryitemlocations WHERE item IN (350, 901)") == []


class TestMembers:
    def test_of_a_kit_are_a_table(self) -> None:
        query = "SELECT item, quantity FROM itemmember WHERE parentitem = 350 ORDER BY linenumber"
        assert select(account(), query) == [
            {"item": "301", "quantity": "1"},
            {"item": "302", "quantity": "2"},
        ]

    def test_follow_a_change_of_the_kit(self) -> None:
        books = account()
        body = {"member": {"items": [{"item": {"id": "305"}, "quantity": 4}]}}
        books.patch("kitItem", "350", body, frozenset({"member"}))
        query = "SELECT item, quantity FROM kititemmember WHERE parentitem = 350"
        assert select(books, query) == [{"item": "305", "quantity": "4"}]


class TestStockWithOrders:
    def test_is_told_by_one_statement_for_hundreds_of_orders(self) -> None:
        books = account()
        order(books, line("301", 2), externalId="tts-us-so-7")
        names = [f"tts-us-so-{number}" for number in range(900)]
        query = STOCK_AND_ORDERS.format(names=", ".join("?" * len(names)))
        assert select(books, query, *names) == [
            {"kind": "1", "name": "tts-us-so-7", "status": "B"},
            {"kind": "2", "item": "301", "available": "4998"},
        ]

    def test_more_than_a_thousand_names_are_refused(self) -> None:
        names = ", ".join(f"'n{number}'" for number in range(1_001))
        with pytest.raises(SuiteQLError):
            select(account(), STOCK_AND_ORDERS.format(names=names))

    def test_a_column_cannot_be_text_here_and_a_number_there(self) -> None:
        books = account()
        mixed = "SELECT externalid AS x FROM transaction UNION ALL SELECT item FROM inventoryitemlocations"
        with pytest.raises(SuiteQLError):
            select(books, mixed)
        assert select(books, mixed.replace("SELECT item", "SELECT TO_CHAR(item)"))[0] == {"x": "301"}

    @pytest.mark.parametrize("lag", [0.0, 5.0, 30.0, 65.0, 95.0])
    def test_a_lag_hides_an_order_together_with_what_it_holds(self, lag: float) -> None:
        books = account()
        for number in range(3):
            later(books, 30)
            order(books, line("301", 10), externalId=f"tts-us-so-{number}")
        adjustment(books, "301", -500)
        later(books, 10)
        names = ", ".join(f"'tts-us-so-{number}'" for number in range(3))
        rows = books.query(STOCK_AND_ORDERS.format(names=names), lag_s=lag).as_dicts()
        seen = [row for row in rows if row["kind"] == "1"]
        counted = -500 if lag < 10 else 0
        assert rows[-1]["available"] == str(5_000 - 10 * len(seen) + counted)
        assert len(seen) == len([age for age in (10, 40, 70) if age >= lag])

    def test_a_lag_shows_lines_with_what_they_held_then(self) -> None:
        books = account()
        made = order(books, line("301", 10))
        later(books, 60)
        books.set_stock("301", "6", 4)
        query = "SELECT quantitycommitted AS held FROM transactionline WHERE transaction = ? AND item = 301"
        assert books.query(query, (made,), lag_s=30).as_dicts() == [{"held": "10"}]
        assert books.query(query, (made,)).as_dicts() == [{"held": "4"}]


class TestTouchedItems:
    def test_are_found_by_the_last_change_of_any_document(self) -> None:
        books = account()
        moving = transfer_order(books, "304", 5)
        bought = purchase_order(books, "305", 5)
        sold = order(books, line("306", 1))
        gone = order(books, line("307", 1))
        later(books)
        since = now(books)
        assert touched(books, since) == []
        acts: list[tuple[str, Any]] = [
            ("301", lambda: adjustment(books, "301", 1)),
            ("303", lambda: order(books, line("303", 1))),
            ("304", lambda: books.transform("transferOrder", moving, "itemFulfillment", {})),
            ("305", lambda: books.transform("purchaseOrder", bought, "itemReceipt", {})),
            ("306", lambda: books.transform("salesOrder", sold, "itemFulfillment", {})),
            (
                "307",
                lambda: books.patch("salesOrder", gone, {"item": {"items": [{"line": 1, "isClosed": True}]}}),
            ),
        ]
        for count, (_, act) in enumerate(acts, start=1):
            act()
            assert touched(books, since) == sorted(item for item, _ in acts[:count])
        later(books)
        assert touched(books, now(books)) == []

    def test_of_an_order_for_a_kit_are_the_kit(self) -> None:
        books = account()
        later(books)
        since = now(books)
        order(books, line("350", 1))
        assert touched(books, since) == ["350"]


def test_many_items_are_read_page_by_page() -> None:
    books = account()
    seeded = books.seed_items(1_200, on_hand=7)
    query = """
        SELECT item, location, quantityavailable AS available FROM inventoryitemlocations
        WHERE item > 100000 ORDER BY item ASC, location ASC
    """
    rows: list[dict[str, str]] = []
    for offset in range(0, 3_000, 1_000):
        page = books.query(query, (), 1_000, offset)
        assert page.total == 2_400
        rows += page.as_dicts()
    assert [(row["item"], row["location"]) for row in rows] == [
        (item, location) for item in seeded for location in ("6", "7")
    ]
    assert {row["available"] for row in rows} == {"7"}
    [item] = select(books, "SELECT id, itemid FROM item WHERE itemid = 'SKU-100001'")
    assert item["id"] == seeded[0]
