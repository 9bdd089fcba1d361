"""A warehouse clerk for tests: ships Sales Orders in the books exactly as told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.rigging import SOON, sales_orders
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.fulfilment.flow import FulfilmentFlow, RunReport
from tiktok_ns_pipeline.sandbox.rig import Rig


async def posted(rig: Rig, order_id: str) -> dict[str, Any]:
    """The Sales Order of an order, once the orders flow has posted it."""
    await rig.run(SOON)
    return sales_order_of(rig, order_id)


def sales_order_of(rig: Rig, order_id: str) -> dict[str, Any]:
    """The Sales Order of an order."""
    return next(one for one in sales_orders(rig) if one["custbody_tts_order_id"] == order_id)


def ship(
    rig: Rig,
    order_id: str,
    *,
    tracking: Sequence[str] = ("1Z999AA10123456784",),
    quantities: Mapping[int, int] | None = None,
    status: str = "C",
    ship_method: str | None = "4722",
) -> str:
    """Fulfil a Sales Order (all of it, or quantities by line number); gives the internal id."""
    order = sales_order_of(rig, order_id)
    wanted = quantities
    body: dict[str, Any] = {
        "shipStatus": {"id": status},
        "item": {
            "items": [
                {"orderLine": line["line"], "itemReceive": True, "quantity": wanted[line["line"]]}
                if wanted and line["line"] in wanted
                else {"orderLine": line["line"], "itemReceive": wanted is None}
                for line in order["item"]["items"]
            ]
        },
        "package": {"items": [{"packageTrackingNumber": number} for number in tracking]},
    }
    if ship_method is not None:
        body["shipMethod"] = {"id": ship_method}
    saved = rig.books.transform("salesOrder", str(order["id"]), "itemFulfillment", body)
    return str(saved.id)


def amend(rig: Rig, fulfilment_id: str, **fields: Any) -> None:
    """Change a fulfilment: `status`, `tracking`, `ship_method`."""
    body: dict[str, Any] = {}
    if "status" in fields:
        body["shipStatus"] = {"id": fields["status"]}
    if "ship_method" in fields:
        body["shipMethod"] = {"id": fields["ship_method"]}
    replace: frozenset[str] = frozenset()
    if "tracking" in fields:
        body["package"] = {"items": [{"packageTrackingNumber": number} for number in fields["tracking"]]}
        replace = frozenset({"package"})
    rig.books.patch("itemFulfillment", fulfilment_id, body, replace)


async def tell(rig: Rig, *, idle_s: float = 10.0, budget_s: float = 3600.0) -> RunReport:
    """One run of the shipments flow."""
    async with rig.runtime() as runtime:
        return await FulfilmentFlow(runtime, "shipments").run(TurnRequest(budget_s=budget_s, idle_s=idle_s))


def shown(rig: Rig, order_id: str) -> list[str]:
    """The tracking number of each unit as TikTok shows it, in line order; empty where there is none."""
    return [line.shipped.tracking if line.shipped else "" for line in rig.world.facts(order_id).lines]
