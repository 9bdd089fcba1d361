"""Products and their stock as TikTok Shop sent them (T 5.2, 5.3).

A *listing* is a product of a shop with its SKUs; a SKU's stock is kept per warehouse. What is
*available* can be ordered now: units of open orders are off it already and are *committed* (T 5.3).
A bundle (combined SKU) has no stock of its own. All counts are TikTok units. Values are read as `wire`
tells: a count that is not stated is None, never zero, and an available count must be stated.

`sku_id` is the only safe key: a seller SKU may be empty or repeated (T 9.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import CombinedListingSku
from tiktok_ns_pipeline.tiktok.wire import (
    Count,
    Flag,
    Id,
    Instant,
    RequiredCount,
    RequiredId,
    RequiredText,
    Text,
    Wire,
    absent_as_empty,
    absent_as_none,
    parse,
)

_NO_STOCK_IS_SET = frozenset({"FREEZE", "DELETED"})


class ListedStock(Wire):
    """What a search says of a SKU's stock in one warehouse; `quantity` is available (T 5.3)."""

    warehouse_id: Id = None
    quantity: Count = None


class SkuStatus(Wire):
    """Whether a SKU is on sale within its product (T 5.2)."""

    status: Text = None
    """`NORMAL` or `DEACTIVATED`."""
    deactivation_source: Text = None
    """`SELLER`, `PLATFORM` and others."""


class ListedSku(Wire):
    """A SKU of a listing (T 5.2)."""

    sku_id: Annotated[RequiredId, Field(validation_alias="id")]
    seller_sku: Text = None
    status_info: Annotated[SkuStatus | None, BeforeValidator(absent_as_none)] = None
    combined_skus: Annotated[tuple[CombinedListingSku, ...], BeforeValidator(absent_as_empty)] = ()
    """The parts of a bundle, where TikTok names them: a product's detail does, a search need not."""
    inventory: Annotated[tuple[ListedStock, ...], BeforeValidator(absent_as_empty)] = ()

    @property
    def sales_status(self) -> str:
        """`NORMAL` where TikTok says nothing else."""
        return (self.status_info and self.status_info.status) or "NORMAL"

    @property
    def is_bundle(self) -> bool:
        """Whether its stock is that of other SKUs, and cannot be set (T 5.3)."""
        return bool(self.combined_skus)

    @property
    def warehouses(self) -> dict[str, int | None]:
        """Available units by warehouse id; None where the number is not stated."""
        return {each.warehouse_id: each.quantity for each in self.inventory if each.warehouse_id}


class Listing(Wire):
    """A product of a shop (T 5.2)."""

    product_id: Annotated[RequiredId, Field(validation_alias="id")]
    status: RequiredText
    """`ACTIVATE` is on sale; also `DRAFT`, `PENDING`, `FAILED`, `SELLER_DEACTIVATED`,
    `PLATFORM_DEACTIVATED`, `FREEZE`, `DELETED`. New ones appear without notice."""
    title: Text = None
    update_time: Instant = None
    is_not_for_sale: Flag = False
    product_types: Annotated[tuple[str, ...], BeforeValidator(absent_as_empty)] = ()
    """`COMBINED_PRODUCT` for bundles, where it is told."""
    skus: Annotated[tuple[ListedSku, ...], BeforeValidator(absent_as_empty)] = ()

    @property
    def takes_stock(self) -> bool:
        """Whether stock can be set in this status (T 5.3)."""
        return self.status not in _NO_STOCK_IS_SET

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Listing:
        """Read a raw product. Raises WireError naming the product and the field."""
        listing = parse(cls, raw, "product")
        seen: set[str] = set()
        for index, sku in enumerate(listing.skus):
            if sku.sku_id in seen:
                raise WireError(
                    listing.product_id, f"skus[{index}].id", f"repeats SKU {sku.sku_id}", kind="product"
                )
            seen.add(sku.sku_id)
        return listing


@dataclass(frozen=True, slots=True)
class WarehouseStock:
    """Units of a SKU in one warehouse (T 5.3). What is on hand is the sum of both."""

    available: int
    committed: int | None
    """None where TikTok does not state it."""


@dataclass(frozen=True, slots=True)
class SkuStock:
    """The stock of a SKU as one answer gave it (T 5.3)."""

    sku_id: str
    product_id: str
    warehouses: Mapping[str, WarehouseStock]
    """By warehouse id."""
    read_at: datetime
    """The server's clock where it told it, else ours."""
    seller_sku: str | None = None
    total_available: int | None = None
    total_committed: int | None = None
    in_shop: int | None = None
    """The part of what is available that any buyer can order."""
    campaign: int = 0
    """The part that campaigns hold; what is available is not lowered below it (T 5.3)."""
    creator: int = 0
    """The part that is held for creators."""

    @classmethod
    def parse(cls, raw: Mapping[str, Any], product_id: str, read_at: datetime) -> SkuStock:
        """Read a raw SKU of `inventory[].skus[]`. Raises WireError naming the SKU and the field."""
        sku = parse(_Sku, raw, "stock of SKU")
        warehouses: dict[str, WarehouseStock] = {}
        for index, row in enumerate(sku.warehouse_inventory):
            if row.warehouse_id in warehouses:
                field = f"warehouse_inventory[{index}].warehouse_id"
                raise WireError(sku.id, field, f"repeats warehouse {row.warehouse_id}", kind="stock of SKU")
            warehouses[row.warehouse_id] = WarehouseStock(row.available_quantity, row.committed_quantity)
        shares = sku.total_available_inventory_distribution or _Distribution()
        return cls(
            sku_id=sku.id,
            product_id=product_id,
            warehouses=warehouses,
            read_at=read_at,
            seller_sku=sku.seller_sku,
            total_available=sku.total_available_quantity,
            total_committed=sku.total_committed_quantity,
            in_shop=shares.in_shop_inventory.quantity if shares.in_shop_inventory else None,
            campaign=sum(each.quantity or 0 for each in shares.campaign_inventory),
            creator=sum(each.quantity or 0 for each in shares.creator_inventory),
        )


class _Share(Wire):
    quantity: Count = None


_Shares = Annotated[tuple[_Share, ...], BeforeValidator(absent_as_empty)]


class _Distribution(Wire):
    in_shop_inventory: Annotated[_Share | None, BeforeValidator(absent_as_none)] = None
    campaign_inventory: _Shares = ()
    creator_inventory: _Shares = ()


class _Warehouse(Wire):
    warehouse_id: RequiredId
    available_quantity: RequiredCount
    committed_quantity: Count = None


class _Sku(Wire):
    id: RequiredId
    seller_sku: Text = None
    total_available_quantity: Count = None
    total_committed_quantity: Count = None
    total_available_inventory_distribution: Annotated[
        _Distribution | None, BeforeValidator(absent_as_none)
    ] = None
    warehouse_inventory: Annotated[tuple[_Warehouse, ...], BeforeValidator(absent_as_empty)] = ()


class FbtQuantities(Wire):
    """Units in a warehouse of TikTok's; `total` is available and reserved together."""

    total: Annotated[Count, Field(validation_alias="total_quantity")] = None
    available: Annotated[RequiredCount, Field(validation_alias="available_quantity")]
    reserved: Annotated[Count, Field(validation_alias="reserved_quantity")] = None
    unfulfillable: Annotated[Count, Field(validation_alias="unfulfillable_quantity")] = None
    """Damaged or otherwise not for sale; told of goods, not of SKUs."""


class FbtSku(Wire):
    """What of the goods is one TikTok SKU's."""

    sku_id: Annotated[RequiredId, Field(validation_alias="id")]
    on_hand: Annotated[
        FbtQuantities | None, BeforeValidator(absent_as_none), Field(validation_alias="on_hand_detail")
    ] = None


class FbtGoods(Wire):
    """What TikTok's warehouse knows the seller's goods by."""

    goods_id: Annotated[RequiredId, Field(validation_alias="id")]
    reference_code: Text = None
    """The seller's own number for them."""
    skus: Annotated[tuple[FbtSku, ...], BeforeValidator(absent_as_empty)] = ()


class FbtStock(Wire):
    """One row of the stock that TikTok keeps for the seller: goods in one FBT warehouse (T 5.3)."""

    warehouse_id: Annotated[RequiredId, Field(validation_alias="fbt_warehouse_id")]
    goods: FbtGoods
    on_hand: Annotated[
        FbtQuantities | None, BeforeValidator(absent_as_none), Field(validation_alias="on_hand_detail")
    ] = None
    in_transit: Annotated[Count, Field(validation_alias="in_transit_quantity")] = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> FbtStock:
        """Read a raw row of `inventory[]`. Raises WireError naming the warehouse and the field."""
        return parse(cls, raw, "FBT stock in warehouse", id_keys=("fbt_warehouse_id",))
