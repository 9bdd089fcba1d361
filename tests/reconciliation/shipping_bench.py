"""What a warehouse, a person or our pipeline does to orders on both sides of the bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.reconciliation.fulfilments.model import FulfilmentProof, Verdict
from tiktok_ns_pipeline.reconciliation.fulfilments.proof import prove_day
from tiktok_ns_pipeline.sandbox.catalogue import shop_of

from .bench import DAY, Bench

UPS = "7117859084333745966"
CLEARING = {"account": {"id": "125"}}


@dataclass
class Shipping:
    """The bench with goods that move. Every order has two units at 10.00 and pays 4.00 of shipping."""

    bench: Bench
    sales: dict[str, str]
    """Sales Order by order id."""

    def order(self, *, posted: bool = True, **options: Any) -> str:
        """An order of the day with its Sales Order."""
        order_id = self.bench.order(**options)
        if posted:
            self.post(order_id)
        return order_id

    def post(self, order_id: str, line_ids: Sequence[str] | None = None) -> str:
        ids = self.units(order_id) if line_ids is None else line_ids
        goods = {
            "item": {"id": "301"},
            "quantity": 2,
            "price": {"id": "-1"},
            "rate": Decimal(10),
            "amount": Decimal(20),
            "location": {"id": "6"},
            "custcol_tts_line_ids": ",".join(ids),
        }
        fee = {"item": {"id": "901"}, "quantity": 1, "price": {"id": "-1"}, "rate": 4, "amount": 4}
        lines = {"items": [goods, fee]}
        self.sales[order_id] = self.bench.sale(order_id, item=lines, orderStatus={"id": "B"})
        return self.sales[order_id]

    def units(self, order_id: str) -> list[str]:
        return [line["id"] for line in self.bench.world.order(order_id)["line_items"]]

    def ship(self, order_id: str, *tracking: str, quantity: int = 2, status: str = "C", **fields: Any) -> str:
        """An Item Fulfillment in the books."""
        body: dict[str, Any] = {
            "shipStatus": {"id": status},
            "item": {"items": [{"orderLine": 1, "quantity": quantity, "itemReceive": True}]},
            "package": {"items": [{"packageTrackingNumber": number} for number in tracking]},
        } | fields
        return self.books.transform("salesOrder", self.sales[order_id], "itemFulfillment", body).id

    def tell(self, order_id: str, tracking: str, line_ids: Sequence[str] = ()) -> None:
        """Mark as shipped at TikTok."""
        shop = shop_of(self.bench.shop)
        self.bench.world.parcels.mark_shipped(shop, order_id, tracking, UPS, line_ids)

    def bill(self, order_id: str, **fields: Any) -> str:
        """A Cash Sale of all that left and is not billed."""
        body = CLEARING | fields
        return self.books.transform("salesOrder", self.sales[order_id], "cashSale", body).id

    def bill_by_hand(self, order_id: str, amount: str) -> str:
        """A Cash Sale that only names the order."""
        goods = {"item": {"id": "301"}, "quantity": 1, "price": {"id": "-1"}, "amount": Decimal(amount)}
        sale = self.books.get("salesOrder", self.sales[order_id])
        body = {
            "entity": {"id": sale["entity"]["id"]},
            "custbody_tts_order_id": order_id,
            "item": {"items": [goods | {"rate": Decimal(amount), "location": {"id": "6"}}]},
        }
        return self.books.create("cashSale", CLEARING | body).record.id

    def done(self, **options: Any) -> str:
        """An order that is shipped, told and billed."""
        order_id = self.order(**options)
        tracking = f"1Z{order_id}"
        self.ship(order_id, tracking)
        self.tell(order_id, tracking)
        self.bill(order_id)
        return order_id

    def later(self, hours: float = 2) -> None:
        """Let every grace pass."""
        self.bench.clock.forward(hours=hours)  # type: ignore[attr-defined]

    @property
    def books(self) -> Any:
        return self.bench.running.sandbox.books

    def prove(self, run_id: str = "run-1") -> FulfilmentProof:
        return self.bench.ask(lambda sources: prove_day(sources, self.bench.lake, DAY, run_id))


def wrong(proof: FulfilmentProof) -> dict[str, set[Verdict]]:
    """What is wrong, by order."""
    assert proof.not_run is None, proof.statement
    found: dict[str, set[Verdict]] = {}
    for row in proof.wrong:
        found.setdefault(row.order_id, set()).add(row.verdict)
    return found


def of(proof: FulfilmentProof, order_id: str) -> Mapping[str, list[Verdict]]:
    """The verdicts on one order, by aspect."""
    found: dict[str, list[Verdict]] = {}
    for row in proof.rows:
        if row.order_id == order_id:
            found.setdefault(row.aspect, []).append(row.verdict)
    return found
