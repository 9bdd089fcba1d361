"""Cancellations as TikTok Shop sent them (T 6.3).

One record per cancellation of an order, by whoever it was; `lines` are the units that it takes away.
Values are read as `wire` tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.wire import (
    Amount,
    Currency,
    Flag,
    Id,
    Instant,
    RequiredId,
    RequiredText,
    Text,
    Wire,
    absent_as_empty,
    absent_as_none,
    parse,
)


def refuse_repeated_units(units: Sequence[str], field: str, identity: str, kind: str) -> None:
    """Each line is another unit of the order (T 6.3, 6.4). Raises WireError naming the record and the
    line."""
    seen: set[str] = set()
    for index, unit in enumerate(units):
        if unit in seen:
            raise WireError(
                identity, f"{field}[{index}].order_line_item_id", f"repeats unit {unit}", kind=kind
            )
        seen.add(unit)


class RefundAmount(Wire):
    """What the buyer gets back; a unit's and the whole cancellation's have the same shape (T 6.3)."""

    currency: Currency = None
    refund_total: Amount = None
    refund_subtotal: Amount = None
    refund_shipping_fee: Amount = None
    refund_tax: Amount = None
    retail_delivery_fee: Amount = None
    buyer_service_fee: Amount = None


class CancelledLine(Wire):
    """One unit that is cancelled; `line_id` is the order's line item id."""

    cancel_line_item_id: Id = None
    line_id: Annotated[RequiredId, Field(validation_alias="order_line_item_id")]
    sku_id: Id = None
    seller_sku: Text = None
    refund_amount: Annotated[RefundAmount | None, BeforeValidator(absent_as_none)] = None


class NextAction(Wire):
    """What TikTok waits for from the seller, and until when."""

    action: RequiredText
    """`SELLER_RESPOND_CANCEL` for a buyer's request."""
    deadline: Instant = None


class Cancellation(Wire):
    """A cancellation or a buyer's request for one (T 6.3)."""

    cancel_id: RequiredId
    order_id: RequiredId
    status: Annotated[RequiredText, Field(validation_alias="cancel_status")]
    """`CANCELLATION_REQUEST_PENDING`, then `..._SUCCESS` (refund under way) and `..._COMPLETE`, or
    `..._CANCELLED`. New ones appear without notice."""
    cancel_type: Text = None
    """`CANCEL` by seller or system, `BUYER_CANCEL` by the buyer."""
    cancel_reason: Text = None
    cancel_reason_text: Text = None
    role: Text = None
    """Who cancelled: `BUYER`, `SELLER`, `SYSTEM`, or another."""
    create_time: Instant = None
    update_time: Instant = None
    refund_amount: Annotated[RefundAmount | None, BeforeValidator(absent_as_none)] = None
    """None where nothing was paid."""
    should_replenish_stock: Flag = False
    next_actions: Annotated[
        tuple[NextAction, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="seller_next_action_response"),
    ] = ()
    lines: Annotated[
        tuple[CancelledLine, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="cancel_line_items"),
    ] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Cancellation:
        """Read a raw cancellation. Raises WireError naming the cancellation and the field."""
        cancellation = parse(cls, raw, "cancellation", id_keys=("cancel_id",))
        units = [line.line_id for line in cancellation.lines]
        refuse_repeated_units(units, "cancel_line_items", cancellation.cancel_id, "cancellation")
        return cancellation
