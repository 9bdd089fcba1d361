"""Returns as TikTok Shop sent them, in both versions (T 6.4).

A return is a buyer's request for money back, with or without the goods, or for a replacement. One line is
one unit; there is no quantity. A request that is edited ends and another takes its place: of such a chain
only the last counts. Amounts are what the *buyer* gets back, positive; what the seller loses differs and
is told by the statements (T 6.5). Values are read as `wire` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tiktok_ns_pipeline.tiktok.cancellation_models import NextAction, RefundAmount, refuse_repeated_units
from tiktok_ns_pipeline.tiktok.wire import (
    Amount,
    Currency,
    Flag,
    Id,
    Instant,
    Personal,
    RequiredId,
    RequiredText,
    Text,
    Wire,
    absent_as_empty,
    absent_as_none,
    parse,
)

_Refund = Annotated[RefundAmount | None, BeforeValidator(absent_as_none)]


class ReturnedPart(Wire):
    """A component of a bundle that is returned alone (202602)."""

    sub_line_id: Annotated[Id, Field(validation_alias="sub_order_line_item_id")] = None
    sku_id: Id = None
    seller_sku: Text = None
    refund_amount: _Refund = None


class ReturnedLine(Wire):
    """One unit that is returned or refunded; `line_id` is the order's line item id."""

    return_line_item_id: Id = None
    line_id: Annotated[RequiredId, Field(validation_alias="order_line_item_id")]
    sku_id: Id = None
    seller_sku: Text = None
    refund_amount: _Refund = None
    parts: Annotated[
        tuple[ReturnedPart, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="return_sub_line_items"),
    ] = ()
    """Empty for the whole unit."""


class ReturnDiscount(Wire):
    """Discounts on what is returned, by who paid them."""

    currency: Currency = None
    product_seller_discount: Amount = None
    product_platform_discount: Amount = None
    shipping_fee_seller_discount: Amount = None
    shipping_fee_platform_discount: Amount = None


class ReturnShippingFee(Wire):
    """What the way back costs, by who pays it."""

    currency: Currency = None
    seller_paid_return_shipping_fee: Amount = None
    buyer_paid_return_shipping_fee: Amount = None
    platform_paid_return_shipping_fee: Amount = None


class PartialRefund(Wire):
    """A part of the money that the seller offered instead."""

    amount: Amount = None
    currency: Currency = None


class Return(Wire):
    """A buyer's request for a refund, a return or a replacement (T 6.4)."""

    return_id: RequiredId
    order_id: RequiredId
    status: Annotated[RequiredText, Field(validation_alias="return_status")]
    """`RETURN_OR_REFUND_REQUEST_PENDING`, on to `..._SUCCESS` (refund under way) and `..._COMPLETE`
    (refunded). New ones appear without notice."""
    return_type: Text = None
    """`REFUND`, `RETURN_AND_REFUND`, `REPLACEMENT`. New ones appear without notice."""
    arbitration_status: Text = None
    """`IN_PROGRESS`, `SUPPORT_BUYER`, `SUPPORT_SELLER`, `CLOSED`; None where TikTok was not called."""
    role: Text = None
    """Who asked: `BUYER`, `SELLER`, `OPERATOR`, `SYSTEM`."""
    return_reason: Text = None
    return_reason_text: Text = None
    create_time: Instant = None
    update_time: Instant = None
    refund_amount: _Refund = None
    discounts: Annotated[
        tuple[ReturnDiscount, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="discount_amount"),
    ] = ()
    shipping_fees: Annotated[
        tuple[ReturnShippingFee, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="shipping_fee_amount"),
    ] = ()
    lines: Annotated[
        tuple[ReturnedLine, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="return_line_items"),
    ] = ()
    shipment_type: Text = None
    """`PLATFORM` or `BUYER_ARRANGE`."""
    return_method: Text = None
    handover_method: Text = None
    tracking_number: Annotated[Text, Field(validation_alias="return_tracking_number")] = None
    """Of the parcel that comes back."""
    provider_id: Annotated[Text, Field(validation_alias="return_provider_id")] = None
    provider_name: Annotated[Text, Field(validation_alias="return_provider_name")] = None
    buyer_keeps_item: Annotated[Flag, Field(validation_alias="can_buyer_keep_item")] = False
    is_quick_refund: Flag = False
    """Refunded before the goods are back."""
    combined_return_id: Id = None
    """None where it is not returned together with others."""
    previous_id: Annotated[Id, Field(validation_alias="pre_return_id")] = None
    next_id: Annotated[Id, Field(validation_alias="next_return_id")] = None
    proposed_type: Annotated[Text, Field(validation_alias="seller_proposed_return_type")] = None
    """`PARTIAL_REFUND` where the seller offered one."""
    partial_refund: Annotated[PartialRefund | None, BeforeValidator(absent_as_none)] = None
    buyer_rejected_offer: Annotated[Flag, Field(validation_alias="buyer_rejected_partial_refund")] = False
    next_actions: Annotated[
        tuple[NextAction, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="seller_next_action_response"),
    ] = ()
    """`SELLER_RESPOND_REFUND`, `..._RETURN`, `..._RECEIVE_PACKAGE`, `..._REPLACEMENT`, each until when."""

    @property
    def is_replaced(self) -> bool:
        """Whether another request took its place, so that this one counts no more."""
        return self.next_id is not None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Return:
        """Read a raw return. Raises WireError naming the return and the field."""
        found = parse(cls, raw, "return", id_keys=("return_id",))
        units = [line.line_id for line in found.lines]
        refuse_repeated_units(units, "return_line_items", found.return_id, "return")
        return found


class ReturnRecord(Wire):
    """Something that was done or said about a return (T 6.2)."""

    event: Text = None
    role: Text = None
    description: Text = None
    reason_text: Text = None
    note: Personal = None
    """As a person wrote it."""
    create_time: Instant = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any], return_id: str) -> ReturnRecord:
        """Read a raw record. Raises WireError naming the return and the field."""
        return parse(cls, raw, "record of return", return_id)
