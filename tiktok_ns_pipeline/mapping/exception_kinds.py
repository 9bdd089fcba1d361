"""Every kind of exception: what it is called, whose it is, how soon it must be dealt with.

One table for all flows. A kind is a promise to a person: its `what_to_do` must be something that
this person can do. The mapping may name other owners; nothing else about a kind is configurable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Owner = Literal["operations", "finance", "data"]
Severity = Literal["info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class ExceptionKind:
    """One kind of exception."""

    name: str
    title: str
    owner: Owner
    severity: Severity
    within: timedelta
    """It is due so long after it was opened, at the latest."""
    before_dispatch: bool
    """Whether it is also due when the order must be handed to the carrier (T 3.2)."""
    what_to_do: str
    source: str

    def due_at(self, opened_at: datetime, dispatch_by: datetime | None = None) -> datetime:
        """When it must be dealt with; `dispatch_by` is the order's dispatch deadline, if it has one."""
        latest = opened_at + self.within
        if self.before_dispatch and dispatch_by is not None:
            return min(latest, dispatch_by)
        return latest


def _kind(
    name: str,
    title: str,
    owner: Owner,
    severity: Severity,
    hours: int,
    what_to_do: str,
    source: str,
    *,
    before_dispatch: bool = True,
) -> ExceptionKind:
    return ExceptionKind(
        name, title, owner, severity, timedelta(hours=hours), before_dispatch, what_to_do, source
    )


_REPLAYS = "The order is replayed by itself."

_ROWS = (
    # What staging finds: this order alone waits, the others go on.
    _kind(
        "malformed_order",
        "TikTok's order cannot be read",
        "data",
        "error",
        24,
        "Compare the order in Seller Center; if it is right there, report the payload to whoever maintains "
        "the pipeline.",
        "T 3.3",
    ),
    _kind(
        "unmapped_shop",
        "Orders of a shop that the mapping does not know",
        "operations",
        "error",
        24,
        f"Add the shop under `shops` with its TikTok shop id. {_REPLAYS}",
        "mapping",
    ),
    _kind(
        "unmapped_sku",
        "No NetSuite item for a SKU",
        "operations",
        "error",
        24,
        "Give the NetSuite item the seller SKU as its name, UPC code or external id, or add the SKU under "
        f"`items`. {_REPLAYS}",
        "T 9.4",
    ),
    _kind(
        "ambiguous_sku",
        "Several NetSuite items for one SKU",
        "operations",
        "error",
        24,
        f"Name the right item for the SKU under `items`, or make its name unique in NetSuite. {_REPLAYS}",
        "T 9.4",
    ),
    _kind(
        "inactive_item",
        "The NetSuite item of a SKU is inactive",
        "operations",
        "error",
        24,
        f"Activate the item in NetSuite, or name another one under `items`. {_REPLAYS}",
        "N 5.10",
    ),
    _kind(
        "unmapped_warehouse",
        "No NetSuite location for a warehouse",
        "operations",
        "error",
        24,
        f"Add the TikTok warehouse under `warehouses`, or a location to the shop. {_REPLAYS}",
        "T 3.3",
    ),
    _kind(
        "unmapped_tax",
        "The mapping's tax does not fit the order",
        "finance",
        "error",
        24,
        f"Ask the tax adviser which tax holds for the destination and change `tax` of the shop. {_REPLAYS}",
        "T 10.2",
    ),
    _kind(
        "unmapped_rate",
        "No exchange rate for the order's day",
        "finance",
        "error",
        24,
        f"Add a rate that has begun by that day under `exchange_rate` of the shop. {_REPLAYS}",
        "N 5.1",
    ),
    _kind(
        "unmapped_buyer",
        "The buyer of an order cannot be told",
        "operations",
        "error",
        24,
        "The order names no TikTok user. Post it by hand, or use `customer: {policy: bucket}` for the shop.",
        "T 3.6",
    ),
    _kind(
        "unroutable_order",
        "The mapping does not say where the order belongs",
        "operations",
        "error",
        24,
        f"Complete the rules under `routing` or the defaults of the shop. {_REPLAYS}",
        "mapping",
    ),
    _kind(
        "contradictory_amounts",
        "The order's amounts contradict each other",
        "finance",
        "error",
        24,
        "Compare the order in Seller Center. The order is posted by itself when TikTok's amounts agree.",
        "T 3.4, 3.5",
    ),
    _kind(
        "control_total_differs",
        "The Sales Order would not be what TikTok owes",
        "finance",
        "critical",
        24,
        "Nothing was posted. Compare the decisions (`tiktok-ns explain order`) with Seller Center and "
        "correct the mapping.",
        "T 3.4",
    ),
    _kind(
        "amount_out_of_range",
        "The order is worth more than the shop's limit",
        "finance",
        "warning",
        24,
        f"If the order is genuine, raise `largest_order` of the shop. {_REPLAYS}",
        "mapping",
    ),
    _kind(
        "mixed_currency",
        "The order's currency is not the shop's",
        "finance",
        "error",
        24,
        "An order has one currency, which is its shop's. Compare the order in Seller Center and `currency` "
        "of the shop in the mapping.",
        "T 10.1",
    ),
    _kind(
        "unknown_status",
        "TikTok uses a status that the pipeline does not know",
        "data",
        "error",
        24,
        "Nothing is posted while it is unknown whether the order may be fulfilled. Report the status to "
        "whoever maintains the pipeline.",
        "T 3.2",
    ),
    _kind(
        "unknown_value",
        "TikTok uses a value that the pipeline does not know",
        "data",
        "error",
        24,
        "Nothing is posted while it is unknown what the value means for the Sales Order. Report it to "
        "whoever maintains the pipeline.",
        "T 9.4",
    ),
    _kind(
        "staging_failed",
        "An order met an unforeseen error while it was staged",
        "data",
        "error",
        8,
        "Report the order's id to whoever maintains the pipeline; it is staged again when it changes or when "
        "it is replayed.",
        "DESIGN 5",
    ),
    # What the engine finds on the way to a system.
    _kind(
        "still_failing",
        "Something fails again and again",
        "data",
        "warning",
        8,
        "It is tried again by itself. If the system named is up, report its answer to whoever maintains the "
        "pipeline.",
        "N 4.2, T 2.3",
    ),
    _kind(
        "netsuite_refused",
        "NetSuite refused the record",
        "operations",
        "error",
        24,
        "Read NetSuite's sentence. Correct the record it names or the mapping, then replay.",
        "N 4.2",
    ),
    _kind(
        "netsuite_differs",
        "The record in NetSuite is not what was sent",
        "finance",
        "critical",
        24,
        "A script, workflow or form of the account changed it while saving. Correct the record or the "
        "script, then replay.",
        "N 8",
    ),
    _kind(
        "total_differs",
        "The Sales Order's total is not what was sent",
        "finance",
        "critical",
        24,
        "A script, workflow or tax rule of the account changed an amount. Correct the Sales Order in "
        "NetSuite and the script that did it, then replay: it is read once more.",
        "N 8",
    ),
    _kind(
        "external_id_taken",
        "Another record has the external id",
        "operations",
        "error",
        24,
        "Find the record by its external id in NetSuite. If it is another order's, free the id, then replay.",
        "N 2.6",
    ),
    _kind(
        "unclassified_error",
        "An answer that the pipeline does not know",
        "data",
        "error",
        8,
        "Read the answer. If trying again makes sense, replay; report the answer to whoever maintains the "
        "pipeline.",
        "N 4.2, T 2.3",
    ),
    _kind(
        "login_refused",
        "A login is refused",
        "data",
        "critical",
        1,
        "Nothing more is sent, since repeated failures lock the account. Check the keys, tokens and the "
        "role, then resolve this to begin again.",
        "N 1.4, T 1.3",
        before_dispatch=False,
    ),
    _kind(
        "amendment_too_late",
        "The order changed after its fulfilment began",
        "operations",
        "error",
        8,
        "Compare the order with the parcel: stop or correct the shipment by hand, then resolve this.",
        "T 3.2",
    ),
    _kind(
        "reference_refused",
        "TikTok did not take the Sales Order's number",
        "operations",
        "warning",
        72,
        "The Sales Order is right; only its number is missing at TikTok. Replay, or resolve.",
        "T 3.1",
        before_dispatch=False,
    ),
)

KINDS: dict[str, ExceptionKind] = {row.name: row for row in _ROWS}
"""Every kind by its name."""


def kind_named(name: str) -> ExceptionKind:
    """The kind of that name; KeyError when the table has none."""
    return KINDS[name]
