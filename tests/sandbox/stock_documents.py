"""Documents that move stock, as people write them in the books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books import Books


def adjustment(books: Books, item: str, by: int, location: str = "6", **fields: Any) -> str:
    """A count found so many more (negative: fewer) pieces; the document's id."""
    line = {"item": {"id": item}, "location": {"id": location}, "adjustQtyBy": by}
    body = {
        "subsidiary": {"id": "1"},
        "account": {"id": "212"},
        "adjLocation": {"id": location},
        "inventory": {"items": [line]},
        **fields,
    }
    return books.create("inventoryAdjustment", body).id


def transfer_order(books: Books, item: str, quantity: int, source: str = "6", target: str = "7") -> str:
    """Pieces are to go from one Location to another; the order's id."""
    body = {
        "subsidiary": {"id": "1"},
        "location": {"id": source},
        "transferLocation": {"id": target},
        "item": {"items": [{"item": {"id": item}, "quantity": quantity}]},
    }
    return books.create("transferOrder", body).id


def purchase_order(books: Books, item: str, quantity: int, location: str = "6") -> str:
    """Pieces are bought; the order's id."""
    body = {
        "subsidiary": {"id": "1"},
        "location": {"id": location},
        "item": {"items": [{"item": {"id": item}, "quantity": quantity}]},
    }
    return books.create("purchaseOrder", body).id


def units(number: int, quantity: int) -> dict[str, Any]:
    """A follow-up's body that takes so much of an order's line."""
    return {"item": {"items": [{"orderLine": number, "quantity": quantity}]}}


def figures(books: Books, item: str, location: str = "6") -> dict[str, Decimal]:
    """What is shown of a place, but for what is nothing."""
    shown = books.all_stock()[item, location]._asdict()
    return {name: value for name, value in shown.items() if value}
