"""Packages as TikTok Shop sent them (T 4.2, 4.3).

A package of a search and the same package read alone have different key names for the same facts;
`Package` is what both say. Values are read as `wire` tells; a package's id is not for ever, since
splitting and combining make new ones: its units (`line_ids`) are the lasting key (T 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from tiktok_ns_pipeline.tiktok.wire import (
    Flag,
    Id,
    Instant,
    RequiredId,
    RequiredInstant,
    RequiredText,
    Text,
    Wire,
    absent_as_empty,
    parse,
)


class PackageOrder(Wire):
    """An order with units in the package."""

    id: RequiredId


class Package(Wire):
    """A package; of a search's row what only the detail has is None (T 4.2, 4.3)."""

    id: Annotated[RequiredId, Field(validation_alias=AliasChoices("package_id", "id"))]
    status: Annotated[RequiredText, Field(validation_alias=AliasChoices("package_status", "status"))]
    """`PROCESSING` arranged, `FULFILLING` collected, `COMPLETED` delivered, `CANCELLED`; before that
    `TO_FULFILL`. New ones appear without notice."""
    create_time: Instant = None
    update_time: Instant = None
    orders: Annotated[tuple[PackageOrder, ...], BeforeValidator(absent_as_empty)] = ()
    line_ids: Annotated[
        tuple[RequiredId, ...],
        BeforeValidator(absent_as_empty),
        Field(validation_alias="order_line_item_ids"),
    ] = ()
    """The units in it, of all its orders."""
    shipping_type: Text = None
    shipping_provider_id: Id = None
    shipping_provider_name: Text = None
    tracking_number: Text = None
    last_mile_tracking_number: Text = None
    delivery_option_id: Id = None
    delivery_option_name: Text = None
    handover_method: Text = None
    split_and_combine_tag: Text = None
    """`DEFAULT`, `COMBINE` or `SPLIT`."""

    @property
    def order_ids(self) -> tuple[str, ...]:
        """The orders with units in it, each once."""
        return tuple(dict.fromkeys(order.id for order in self.orders))

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Package:
        """Read a raw package of a search or alone. Raises WireError naming package and field."""
        return parse(cls, raw, "package", id_keys=("package_id", "id"))


class PickupSlot(Wire):
    """When TikTok's carrier may come. TikTok spells `avaliable`, here and in requests (T 0)."""

    start_time: RequiredInstant
    end_time: RequiredInstant
    is_available: Annotated[Flag, Field(validation_alias="avaliable")] = False


class HandoverSlots(Wire):
    """How a package can be handed to TikTok's carrier (T 4.2)."""

    can_pickup: Flag = False
    can_drop_off: Flag = False
    can_van_collection: Flag = False
    pickup_slots: Annotated[tuple[PickupSlot, ...], BeforeValidator(absent_as_empty)] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any], package_id: str) -> HandoverSlots:
        """Read the raw answer for this package. Raises WireError."""
        return parse(cls, raw, "handover of package", package_id)


class SplitAttributes(Wire):
    """Whether an order may or must be split into packages (T 4.2)."""

    order_id: RequiredId
    can_split: Flag = False
    must_split: Flag = False
    reason: Text = None
    """Why it may not."""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> SplitAttributes:
        """Read a raw row. Raises WireError."""
        return parse(cls, raw, "split attributes of order", id_keys=("order_id",))


class SplitPackage(Wire):
    """A package that a split made, and the group of ours that it holds (T 4.2)."""

    id: RequiredId
    splittable_group_id: RequiredText

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> SplitPackage:
        """Read a raw row. Raises WireError."""
        return parse(cls, raw, "package")
