"""What the billing tests need: orders posted by the pipeline, shipments in the books and the lake."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as D
from typing import Any

from tests.rigging import SOON
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.billing.flow import BillingFlow, RunReport
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS
from tiktok_ns_pipeline.sandbox.books.store import Record
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

BILLING = TurnRequest(budget_s=3600, idle_s=10)
"""A run of billing that ends when nothing was due for ten seconds."""


async def bill(rig: Rig, request: TurnRequest = BILLING, **runtime: Any) -> RunReport:
    """One process of the pipeline that bills."""
    async with rig.runtime(**runtime) as opened:
        return await BillingFlow(opened, "billing").run(request)


class Sale:
    """One order of a rig, from its placing to its bills."""

    def __init__(self, rig: Rig, shop: str, order_id: str) -> None:
        self.rig = rig
        self.shop = shop
        self.order_id = order_id

    @classmethod
    async def placed(cls, rig: Rig, *lines: Line | str, shop: str = "us", **options: Any) -> Sale:
        """An order that the pipeline has posted."""
        order_id = rig.world.place_order(shop, list(lines) or [Line("SKU-001", 1, "10.00")], **options)
        await rig.run(SOON)
        return cls(rig, shop, order_id)

    @property
    def sales_order(self) -> Record:
        """As the books have it."""
        shown = next(
            one
            for one in self.rig.books.records("salesOrder")
            if one["custbody_tts_order_id"] == self.order_id
        )
        return self.rig.books.record("salesOrder", shown["id"])

    def line_of(self, kind: str) -> dict[str, Any]:
        """The first line whose type of item is so called, such as `Discount`."""
        return next(dict(line) for line in self.sales_order.lines() if line["itemType"] == kind)

    def ship(self, *parts: tuple[int, int], status: str = "C", lands: bool = True, **fields: Any) -> str:
        """Ship quantities by line (all that is open without any) and land it; the fulfilment's id."""
        body: dict[str, Any] = {"shipStatus": {"id": status}, **fields}
        if parts:
            told = dict(parts)
            body["item"] = {
                "items": [
                    {"orderLine": line["line"], "itemReceive": True, "quantity": told[line["line"]]}
                    if told.get(line["line"])
                    else {"orderLine": line["line"], "itemReceive": False}
                    for line in self.sales_order.lines()
                ]
            }
        made = self.rig.books.transform("salesOrder", self.sales_order.id, "itemFulfillment", body).record.id
        if lands:
            self.land(made)
        return made

    def take_back(self, fulfilment_id: str, *, to: str | None = None) -> None:
        """Delete a shipment, or bring it back to an earlier state; and land that."""
        record = self.rig.books.record("itemFulfillment", fulfilment_id)
        if to is None:
            self.rig.books.delete("itemFulfillment", fulfilment_id)
            self.land(fulfilment_id, gone=record)
        else:
            self.rig.books.patch("itemFulfillment", fulfilment_id, {"shipStatus": {"id": to}})
            self.land(fulfilment_id)

    def land(self, fulfilment_id: str, *, gone: Record | None = None, **changes: Any) -> None:
        """Put an Item Fulfillment into the lake as the shipments flow does."""
        from tiktok_ns_pipeline.lake import Lake

        record = gone or self.rig.books.record("itemFulfillment", fulfilment_id)
        day = date.fromisoformat(record.get("tranDate"))
        lines = [
            {
                "orderLine": line["orderLine"],
                "item": line["item"],
                "quantity": line.get("_stockQuantity", line["quantity"]),
                **({"kitMemberOf": line["kitMemberOf"]} if line.get("kitMemberOf") is not None else {}),
            }
            for line in record.lines()
        ]
        row = {
            "channel": "tiktok",
            "order_id": self.order_id,
            "fulfilment_id": record.id,
            "tran_id": record.get("tranId"),
            "status": record.get("shipStatus"),
            "gone": gone is not None,
            "sales_order_id": record.get("createdFrom"),
            "tran_date": day,
            "modified_at": datetime.fromisoformat(record.get("lastModifiedDate")).astimezone(UTC),
            "lines": exact_json.dumps(lines),
            "tracking": "[]",
            "payload": "{}",
            "read_at": self.rig.clock.now(),
            **changes,
        }
        lake = Lake(self.rig.settings.lake_url, self.rig.clock)
        lake.land(RAW_NETSUITE_ITEM_FULFILLMENTS, [row], shop=self.shop, day=day, run_id="shipments")
        lake.close()

    @property
    def bills(self) -> list[Record]:
        """Its Cash Sales and Invoices, oldest first."""
        order = self.sales_order.id
        found = [*self.rig.books.made_from(order, "cashSale"), *self.rig.books.made_from(order, "invoice")]
        return sorted(found, key=lambda record: int(record.id))

    @property
    def totals(self) -> list[D]:
        """What its bills come to."""
        return [record.get("total") for record in self.bills]
