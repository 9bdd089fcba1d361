"""Stock moves by documents: counts, transfers, purchases, and orders that hold it (N 2.8, 5.10)."""

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.netsuite_account import account, fields_of, line, order
from tests.sandbox.stock_documents import adjustment, figures, purchase_order, transfer_order, units
from tiktok_ns_pipeline.sandbox.books import BookError, Books


def refusal(action: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(BookError) as caught:
        action(*args, **more)
    return f"{caught.value.status} {caught.value}"


class TestAdjustments:
    def test_a_count_adds_and_takes_away_at_once(self) -> None:
        books = account()
        adjustment(books, "301", 7)
        adjustment(books, "301", -12)
        assert figures(books, "301") == {"on_hand": 4_995}

    def test_deleting_one_undoes_it(self) -> None:
        books = account()
        made = adjustment(books, "301", -12)
        books.delete("inventoryAdjustment", made)
        assert figures(books, "301") == {"on_hand": 5_000}

    def test_what_a_count_loses_is_backordered_by_who_ordered_last(self) -> None:
        books = account()
        books.set_stock("301", "6", 10)
        early, late = order(books, line("301", 6)), order(books, line("301", 4))
        adjustment(books, "301", -7)
        assert figures(books, "301") == {"on_hand": 3, "committed": 3, "backordered": 7}
        held = [fields_of(books, "salesOrder", one)["item"][0]["quantityCommitted"] for one in (early, late)]
        assert held == [3, 0]

    def test_who_ordered_first_is_served_first_when_goods_come_back(self) -> None:
        books = account()
        books.set_stock("301", "6", 6)
        orders = [order(books, line("301", 2)) for _ in range(3)]
        books.set_stock("301", "6", 0)
        adjustment(books, "301", 3)
        held = [fields_of(books, "salesOrder", one)["item"][0]["quantityCommitted"] for one in orders]
        assert held == [2, 1, 0]

    @pytest.mark.parametrize(
        "body",
        [
            {"account": None},
            {"subsidiary": None},
            {"inventory": {"items": []}},
            {"inventory": {"items": [{"item": {"id": "301"}, "adjustQtyBy": 0}]}},
            {"inventory": {"items": [{"item": {"id": "350"}, "adjustQtyBy": 1}]}},
            {"adjLocation": {"id": "9"}},
        ],
        ids=["account", "subsidiary", "lines", "zero", "kit", "other subsidiary's location"],
    )
    def test_is_refused_without_what_it_needs(self, body: dict[str, Any]) -> None:
        books = account()
        assert refusal(adjustment, books, "301", 5, **body).startswith("400")
        assert figures(books, "301") == {"on_hand": 5_000}

    def test_in_a_closed_month_is_refused(self) -> None:
        books = account()
        books.close_period("Jun 2026")
        assert "accounting period" in refusal(adjustment, books, "301", 5)


class TestTransfers:
    def test_stock_is_held_then_in_transit_then_there(self) -> None:
        books = account()
        made = transfer_order(books, "301", 10)
        assert figures(books, "301") == {"on_hand": 5_000, "committed": 10}
        books.transform("transferOrder", made, "itemFulfillment", {})
        assert figures(books, "301") == {"on_hand": 4_990}
        assert figures(books, "301", "7") == {"on_hand": 5_000, "in_transit": 10}
        books.transform("transferOrder", made, "itemReceipt", {})
        assert figures(books, "301", "7") == {"on_hand": 5_010}
        assert books.record("transferOrder", made).get("status") == "G"

    def test_only_what_was_sent_can_be_received(self) -> None:
        books = account()
        made = transfer_order(books, "301", 10)
        books.transform("transferOrder", made, "itemFulfillment", units(1, 4))
        refusal(books.transform, "transferOrder", made, "itemReceipt", units(1, 5))
        books.transform("transferOrder", made, "itemReceipt", units(1, 4))
        assert books.record("transferOrder", made).get("status") == "E"
        assert figures(books, "301") == {"on_hand": 4_996, "committed": 6}

    def test_a_shipment_that_arrived_cannot_be_deleted_and_one_under_way_can(self) -> None:
        books = account()
        made = transfer_order(books, "301", 10)
        shipment = books.transform("transferOrder", made, "itemFulfillment", {}).id
        receipt = books.transform("transferOrder", made, "itemReceipt", {}).id
        refusal(books.delete, "itemFulfillment", shipment)
        books.delete("itemReceipt", receipt)
        books.delete("itemFulfillment", shipment)
        assert figures(books, "301") == {"on_hand": 5_000, "committed": 10}
        assert figures(books, "301", "7") == {"on_hand": 5_000}

    def test_its_shipment_is_not_patched_like_a_sale(self) -> None:
        books = account()
        shipment = books.transform("transferOrder", transfer_order(books, "301", 1), "itemFulfillment", {}).id
        refusal(books.patch, "itemFulfillment", shipment, {"shipStatus": {"id": "B"}})

    def test_an_inventory_transfer_moves_at_once(self) -> None:
        books = account()
        body = {
            "subsidiary": {"id": "1"},
            "location": {"id": "6"},
            "transferLocation": {"id": "7"},
            "inventory": {"items": [{"item": {"id": "301"}, "adjustQtyBy": 8}]},
        }
        books.create("inventoryTransfer", body)
        assert (figures(books, "301"), figures(books, "301", "7")) == ({"on_hand": 4_992}, {"on_hand": 5_008})
        body["transferLocation"] = {"id": "6"}
        refusal(books.create, "inventoryTransfer", body)


class TestPurchases:
    def test_are_on_order_until_they_arrive(self) -> None:
        books = account()
        made = purchase_order(books, "301", 30)
        assert figures(books, "301") == {"on_hand": 5_000, "on_order": 30}
        books.transform("purchaseOrder", made, "itemReceipt", units(1, 10))
        assert figures(books, "301") == {"on_hand": 5_010, "on_order": 20}
        books.transform("purchaseOrder", made, "itemReceipt", {})
        assert figures(books, "301") == {"on_hand": 5_030}
        refusal(books.transform, "purchaseOrder", made, "itemReceipt", {})

    def test_arriving_goods_serve_who_waits(self) -> None:
        books = account()
        books.set_stock("301", "6", 0)
        order(books, line("301", 4))
        made = purchase_order(books, "301", 30)
        books.transform("purchaseOrder", made, "itemReceipt", {})
        assert figures(books, "301") == {"on_hand": 30, "committed": 4}


class TestSalesOrders:
    def test_a_kit_holds_its_members(self) -> None:
        books = account()
        made = order(books, line("350", 3))
        assert (figures(books, "301")["committed"], figures(books, "302")["committed"]) == (3, 6)
        books.transform("salesOrder", made, "itemFulfillment", {"shipStatus": {"id": "C"}})
        assert (figures(books, "301"), figures(books, "302")) == ({"on_hand": 4_997}, {"on_hand": 4_994})

    def test_pending_approval_nothing_is_held(self) -> None:
        books = account()
        made = order(books, line("301", 3), line("350", 1), orderStatus={"id": "A"})
        assert figures(books, "301") == {"on_hand": 5_000}
        books.patch("salesOrder", made, {"orderStatus": {"id": "B"}})
        assert figures(books, "301") == {"on_hand": 5_000, "committed": 4}

    def test_orders_beyond_what_is_there_are_backordered(self) -> None:
        books = account()
        books.set_stock("301", "6", 5)
        order(books, line("301", 9))
        assert figures(books, "301") == {"on_hand": 5, "committed": 5, "backordered": 4}


def test_an_account_opened_again_knows_what_is_held_coming_and_on_its_way(tmp_path: Path) -> None:
    def told(books: Books) -> list[Any]:
        return [figures(books, "301"), figures(books, "301", "7"), figures(books, "302")]

    first = account(tmp_path)
    moving = transfer_order(first, "301", 10)
    first.transform("transferOrder", moving, "itemFulfillment", units(1, 4))
    purchase_order(first, "302", 30)
    adjustment(first, "302", 2)
    before = told(first)
    first.close()
    second = account(tmp_path)
    assert told(second) == before
    assert before[0] == {"on_hand": 4_996, "committed": 6}
    second.close()
