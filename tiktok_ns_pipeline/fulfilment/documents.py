"""What the shipments flow speaks of: Item Fulfillments as read, and parcels as TikTok is to know them.

Terms: a *unit* is one line item of a TikTok order (T 3.5); a *fulfilment* is an Item Fulfillment of
that order's Sales Order; a *parcel* is what travels under one tracking number. A fulfilment ships one
parcel or several, and a parcel holds units of one order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS

CHANNEL = "tiktok"
_LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of the Sales Order and the units that it stands for."""

    number: int
    item_id: str
    quantity: Decimal
    """In the item's base units, as SuiteQL tells both orders and fulfilments."""
    unit_ids: tuple[str, ...]
    location_id: str | None = None


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """A line of a fulfilment. Members of a kit are left out: the kit itself is a line."""

    order_line: int
    item_id: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """An Item Fulfillment as it was read last."""

    id: str
    number: str
    """Document number."""
    status: str
    """A picked, B packed, C shipped (N 2.12)."""
    is_gone: bool
    sales_order_id: str
    modified_at: datetime
    tran_date: date | None
    carrier: str | None
    tracking: tuple[str, ...]
    """Each number once, in NetSuite's order."""
    lines: tuple[ShippedLine, ...]
    order_lines: tuple[OrderLine, ...]
    """Of its Sales Order, when it was read."""
    is_of_channel: bool = False
    """Whether its Sales Order says that TikTok's own warehouse ships."""

    @property
    def has_left(self) -> bool:
        """Whether it stands as shipped."""
        return self.status == "C" and not self.is_gone

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"Item Fulfillment {self.number or self.id}"


class ShipmentDocument(BaseModel):
    """A parcel that TikTok should know of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop: str
    order_id: str
    fulfilment_id: str
    fulfilment_number: str
    number: int
    """Of the parcel within its fulfilment, from 1."""
    unit_ids: tuple[str, ...]
    tracking: str
    carrier: str | None
    shipped_on: date | None
    saved_at: datetime
    """When the fulfilment was last saved in NetSuite."""

    @property
    def key(self) -> str:
        """Business key of the fact that TikTok knows of it."""
        return shipment_key(self.order_id, self.fulfilment_id, self.number)

    def fingerprint(self) -> str:
        """Hash of what TikTok is told; a later save that changes none of it is no new revision."""
        return exact_json.fingerprint([self.order_id, sorted(self.unit_ids), self.tracking, self.carrier])


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Equal `cause`s of different subjects can be replayed as a group."""

    kind: str
    """A name of `mapping.exception_kinds`."""
    subject: str
    cause: str
    message: str

    @classmethod
    def of(cls, kind: str, subject: str, cause: str, message: str) -> Problem:
        """A problem of a known kind. KeyError for an unknown one."""
        return cls(KINDS[kind].name, subject, cause, message[:_LONGEST_MESSAGE])


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedShipments:
    """What should be told of one order: parcels, or why not (yet)."""

    shop: str
    order_id: str
    shipments: tuple[ShipmentDocument, ...] = ()
    problems: tuple[Problem, ...] = ()
    waiting: str = ""
    """What is awaited; empty when nothing is."""
    skipped: str = ""
    """The rule by which nothing is told; empty when something may be."""
    notes: tuple[str, ...] = ()
    dispatch_by: datetime | None = None
    """When the order must be handed to the carrier (T 3.3)."""

    @property
    def outcome(self) -> str:
        """In one word, for the lake and for people."""
        if self.problems:
            return "parked"
        if self.shipments:
            return "staged"
        return "skipped" if self.skipped else "waiting"

    @property
    def reason(self) -> str:
        """Why nothing, or not all, is told."""
        said = [*(problem.message for problem in self.problems), self.skipped, self.waiting, *self.notes]
        return " ".join(part for part in said if part)


def shipment_key(order_id: str, fulfilment_id: str, number: int) -> str:
    """Business key of a parcel."""
    return f"{order_id}.{fulfilment_id}.{number}"


def fulfilment_subject(order_id: str, fulfilment_id: str) -> str:
    """How exceptions name a fulfilment."""
    return f"fulfilment {order_id}.{fulfilment_id}"


COLUMNS_OF_FULFILMENT = (
    "order_id",
    "fulfilment_id",
    "tran_id",
    "status",
    "gone",
    "sales_order_id",
    "modified_at",
    "tran_date",
    "carrier",
    "lines",
    "tracking",
    "payload",
)
"""What `fulfilment_of` looks at."""


def fulfilment_of(row: Mapping[str, Any]) -> Fulfilment:
    """A row of `raw_netsuite_item_fulfillments`. Raises ValueError or KeyError for an unreadable one."""
    lines: Sequence[Mapping[str, Any]] = exact_json.loads(row["lines"])
    tracking: Sequence[Mapping[str, Any]] = exact_json.loads(row["tracking"])
    payload: Mapping[str, Any] = exact_json.loads(row["payload"])
    return Fulfilment(
        id=row["fulfilment_id"],
        number=row["tran_id"] or "",
        status=row["status"],
        is_gone=row["gone"],
        sales_order_id=row["sales_order_id"],
        modified_at=row["modified_at"],
        tran_date=row["tran_date"],
        carrier=row["carrier"],
        tracking=tuple(dict.fromkeys(one["number"] for one in tracking)),
        lines=tuple(
            ShippedLine(int(line["orderLine"]), str(line["item"]), Decimal(line["quantity"]))
            for line in lines
            if line.get("kitMemberOf") is None
        ),
        order_lines=tuple(
            OrderLine(
                int(line["line"]),
                str(line["item"]),
                Decimal(line["quantity"]),
                tuple(line["unitIds"]),
                line.get("location"),
            )
            for line in payload.get("salesOrderLines", ())
        ),
        is_of_channel=payload.get("header", {}).get("shipper") == "channel",
    )
