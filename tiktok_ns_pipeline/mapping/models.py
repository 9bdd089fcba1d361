"""The mapping: every decision that is the seller's, in one YAML file.

The file says what an accountant decides and an API cannot know: which NetSuite item a SKU is, whose
books an order belongs to, how tax and discounts are shown, who looks after what went wrong. It is
read strictly: an unknown key, an id that is no id or a rule that sets nothing is refused with its
place in the file, what is wrong and what to write.

Invariant: a `Mapping` is complete and consistent; its `fingerprint` changes exactly when a decision
changes, so orders that were parked can be staged again.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.mapping.complaints import complaints
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS, Owner
from tiktok_ns_pipeline.mapping.follow_ups import (
    CancellationRules,
    Carriers,
    FulfilmentRules,
    provider_among,
)
from tiktok_ns_pipeline.mapping.refunds import RefundRules
from tiktok_ns_pipeline.mapping.routing import Routing
from tiktok_ns_pipeline.mapping.section import FieldName, Id, Section
from tiktok_ns_pipeline.mapping.settlements import (
    Booked,
    Bookings,
    Undecided,
    book_amount,
    book_residual,
    book_transaction,
)
from tiktok_ns_pipeline.mapping.shop import Rate, Shop, with_codes
from tiktok_ns_pipeline.mapping.special_orders import SpecialOrders
from tiktok_ns_pipeline.mapping.stock import (
    ItemStock,
    StockDecision,
    StockRules,
    decide_stock,
    refuse_overlaps,
)
from tiktok_ns_pipeline.mapping.yaml_text import YamlError, read_yaml


class MappingError(ValueError):
    """The mapping cannot be used. The text has a line for each thing to mend."""


class _NamedItem(Section):
    item_id: Id | None = Field(default=None, description="internal id of the NetSuite item")
    item_name: str | None = Field(
        default=None, min_length=1, description="name (itemId) of the NetSuite item, instead of its id"
    )

    def _refuse_unless_named_once(self) -> None:
        if (self.item_id is None) == (self.item_name is None):
            raise ValueError("name the NetSuite item once, as `item_id: ...` or as `item_name: ...`")


class Component(_NamedItem):
    """A part of an exploded kit."""

    quantity: int = Field(default=1, ge=1, le=1_000, description="how many of it are in one kit")
    weight: Decimal = Field(
        default=Decimal(1),
        ge=0,
        le=1_000_000,
        decimal_places=4,
        description="its share of the kit's price; only proportions matter",
    )

    @model_validator(mode="after")
    def _is_named_once(self) -> Component:
        self._refuse_unless_named_once()
        return self


class Item(_NamedItem):
    """What one TikTok SKU is in NetSuite."""

    units_per: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="NetSuite units in one TikTok unit, such as 6 for a pack of six",
    )
    units_id: Id | None = Field(default=None, description="internal id of the unit of measure on the line")
    kit: Literal["pass", "explode"] = Field(
        default="pass",
        description="pass it as one NetSuite item (a kit item too), or explode it into components",
    )
    components: tuple[Component, ...] = Field(default=(), description="what an exploded kit consists of")
    weight: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=1_000_000,
        decimal_places=4,
        description="share of one unit in the price of a bundle that it is part of",
    )
    tax_rate: Rate | None = Field(
        default=None, description="percent, where it is not the shop's (inclusive_split)"
    )
    tax_code_id: Id | None = Field(default=None, description="internal id of the tax code of that rate")
    stock: ItemStock = ItemStock()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """`SKU: RED-M` is short for `SKU: {item_name: RED-M}`."""
        return {"item_name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_named_once(self) -> Item:
        if self.kit == "explode":
            return self._exploded()
        if self.components:
            raise ValueError("components are for exploded kits; write `kit: explode` or remove them")
        self._refuse_unless_named_once()
        return self

    @model_validator(mode="after")
    def _taxed_whole(self) -> Item:
        if (self.tax_rate is None) != (self.tax_code_id is None):
            raise ValueError("a tax of its own needs both `tax_rate` and `tax_code_id`")
        return self

    def _exploded(self) -> Item:
        if not self.components:
            raise ValueError("an exploded kit needs its parts; write `components: [{item_name: ...}]`")
        if self.item_id is not None or self.item_name is not None or self.units_per != 1:
            raise ValueError("an exploded kit is its components; remove item_id, item_name and units_per")
        if not any(component.weight for component in self.components):
            raise ValueError("the components' weights are all zero; give one of them a share of the price")
        return self


class Warehouse(Section):
    """What one TikTok warehouse is in NetSuite."""

    location_id: Id = Field(description="internal id of the location")
    fulfilment: Literal["seller", "channel"] = Field(
        default="seller", description="channel when TikTok fulfils from it (FBT)"
    )
    stock_location_ids: tuple[Id, ...] = Field(
        default=(),
        max_length=100,
        description="internal ids of the locations whose stock it shows, such as [6, 7]; its `location_id` "
        "if there are none",
    )

    @model_validator(mode="after")
    def _shows_each_location_once(self) -> Warehouse:
        if self.fulfilment == "channel" and self.stock_location_ids:
            raise ValueError(
                "TikTok counts the stock of its own warehouse (FBT); remove `stock_location_ids`"
            )
        if len(set(self.stock_location_ids)) != len(self.stock_location_ids):
            raise ValueError("a location stands twice in `stock_location_ids`; keep it once")
        return self


class Bundles(Section):
    """Virtual bundles, which TikTok puts together from several SKUs (T 3.5)."""

    policy: Literal["explode", "as_item"] = Field(
        default="explode",
        description="explode into the SKUs that TikTok names, or as_item: the bundle's own SKU",
    )


class BodyFields(Section):
    """Custom fields of the transaction body."""

    order_id: FieldName = Field(default="custbody_tts_order_id", description="TikTok's order id")
    shop: FieldName = Field(default="custbody_tts_shop", description="shop code of this file")
    payload_hash: FieldName = Field(
        default="custbody_tts_payload_hash", description="hash by which the pipeline knows its own records"
    )
    fulfilment: FieldName = Field(
        default="custbody_tts_fulfillment", description="seller, or channel for orders that TikTok fulfils"
    )


class LineFields(Section):
    """Custom fields of the transaction line."""

    line_ids: FieldName = Field(
        default="custcol_tts_line_ids", description="every TikTok line id of the line (a long text field)"
    )
    line_key: FieldName = Field(default="custcol_tts_line_key", description="the line's stable key")
    platform_discount: FieldName | None = Field(
        default="custcol_tts_platform_discount", description="discount that TikTok pays, for the whole line"
    )


class CustomFields(Section):
    """Script ids of the custom fields that the pipeline writes."""

    body: BodyFields = BodyFields()
    line: LineFields = LineFields()


class Reconciliation(Section):
    """When the proof begins to complain."""

    grace_minutes: int = Field(
        default=30,
        ge=0,
        le=7 * 24 * 60,
        description="how long an order may be on its way before it is missing",
    )


class NetSuiteBudget(Section):
    """How much of the NetSuite account the pipeline may use."""

    slots: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="requests at the same time, shared with the seller's other tools (N 4.3)",
    )


class Mapping(Section):
    """All decisions. `shops` is the only part that must be there."""

    version: Literal["1"] = Field(description="version of this file's form: 1")
    shops: Annotated[dict[str, Shop], BeforeValidator(with_codes)] = Field(
        min_length=1, description="each shop under its short code"
    )
    items: dict[str, Item] = Field(
        default_factory=dict, description="NetSuite items by TikTok SKU id or seller SKU"
    )
    bundles: Bundles = Bundles()
    warehouses: dict[Id, Warehouse] = Field(
        default_factory=dict, description="NetSuite locations by TikTok warehouse id"
    )
    special_orders: SpecialOrders = SpecialOrders()
    routing: Routing = Routing()
    custom_fields: CustomFields = CustomFields()
    owners: dict[str, Owner] = Field(
        default_factory=dict, description="who looks after a kind of exception, where it is not the usual"
    )
    carriers: Carriers = Field(
        default_factory=dict,
        description="TikTok shipping providers by NetSuite ship method or carrier, such as `UPS Ground: UPS`",
    )
    fulfilment: FulfilmentRules = FulfilmentRules()
    cancellations: CancellationRules = CancellationRules()
    stock: StockRules = StockRules()
    settlements: Bookings = Bookings()
    refunds: RefundRules = RefundRules()
    reconciliation: Reconciliation = Reconciliation()
    netsuite: NetSuiteBudget = NetSuiteBudget()

    @model_validator(mode="after")
    def _is_consistent(self) -> Mapping:
        if unknown := sorted(set(self.owners) - set(KINDS)):
            raise ValueError(
                f"`owners` names {', '.join(unknown)}, which is no kind of exception; "
                f"the kinds are {', '.join(sorted(KINDS))}"
            )
        codes: dict[str, str] = {}
        for code, shop in self.shops.items():
            other = codes.setdefault(shop.tiktok_shop_id, code)
            if other != code:
                raise ValueError(f"shops {other} and {code} have the same `tiktok_shop_id`")
        rules = (*self.routing.orders, *self.routing.lines)
        if strange := sorted({name for rule in rules for name in rule.when.shop or ()} - set(self.shops)):
            raise ValueError(f"`routing` speaks of shop {', '.join(strange)}, which is not under `shops`")
        self._refuse_stock_shown_twice()
        return self

    def _refuse_stock_shown_twice(self) -> None:
        refuse_overlaps(
            {warehouse_id: self.stock_locations(warehouse_id) for warehouse_id in self.warehouses}
        )
        if not any(shop.stock.publishes for shop in self.shops.values()):
            return
        counted = {
            warehouse.location_id: warehouse_id
            for warehouse_id, warehouse in self.warehouses.items()
            if warehouse.fulfilment == "channel"
        }
        for warehouse_id in self.warehouses:
            for location_id in filter(counted.__contains__, self.stock_locations(warehouse_id)):
                raise ValueError(
                    f"warehouse {warehouse_id} would show the stock of location {location_id}, which is that "
                    f"of TikTok's own warehouse {counted[location_id]} (FBT); name other "
                    "`stock_location_ids` for it"
                )

    def shop_of(self, name: str) -> Shop | None:
        """The shop with that code or TikTok shop id; None when the mapping has none such."""
        if name in self.shops:
            return self.shops[name]
        return next((shop for shop in self.shops.values() if shop.tiktok_shop_id == name), None)

    def provider_for(self, shop: Shop, text: str | None) -> str | None:
        """TikTok's shipping provider (name or id) for a ship method or carrier; None when none is mapped.

        The shop's own `carriers` come before those of the file; case and runs of spaces do not count.
        """
        if not text:
            return None
        return provider_among(shop.carriers, text) or provider_among(self.carriers, text)

    def is_fbt(self, warehouse_id: str) -> bool:
        """Whether TikTok fulfils from this warehouse and counts its stock; False if it is not mapped."""
        warehouse = self.warehouses.get(warehouse_id)
        return warehouse is not None and warehouse.fulfilment == "channel"

    def stock_locations(self, warehouse_id: str) -> tuple[str, ...]:
        """The pool of a TikTok warehouse: ids of the Locations whose stock it shows, in ascending order.

        Empty for a warehouse that is not mapped and for one that TikTok counts itself (FBT).
        """
        warehouse = self.warehouses.get(warehouse_id)
        if warehouse is None or warehouse.fulfilment == "channel":
            return ()
        return tuple(sorted(warehouse.stock_location_ids or (warehouse.location_id,), key=int))

    def stock_decision(self, shop: Shop, sku_id: str, seller_sku: str) -> StockDecision:
        """What may be shown of a SKU in a shop, with the rule behind each value.

        An entry of `items` is found as an order finds it: by TikTok's SKU id, then by the seller SKU.
        """
        key = next((key for key in (sku_id, seller_sku) if key and key in self.items), "")
        return decide_stock(shop.code, shop.stock, key, self.items[key].stock if key else None)

    def booking_of_amount(self, shop: Shop, name: str) -> Booked | Undecided:
        """Where an amount of a settled order goes, by TikTok's name of it (T 7.5, 7.7)."""
        return book_amount(name, shop.code, shop.bookings, self.settlements)

    def booking_of_transaction(self, shop: Shop, name: str) -> Booked | Undecided:
        """Where the settlement of an adjustment goes, by TikTok's type of it (T 7.8)."""
        return book_transaction(name, shop.code, shop.bookings, self.settlements)

    def booking_of_residual(self, shop: Shop) -> Booked | Undecided:
        """Where goes what a declared total has more than its parts (T 7.4)."""
        return book_residual(shop.code, shop.bookings, self.settlements)

    def reject_reason_for(self, shop: Shop) -> str:
        """The reason with which a shop rejects cancellations (T 6.2); reasons differ by market."""
        return shop.reject_reason or self.cancellations.requests.reject_reason

    def owner_of(self, kind: str) -> Owner:
        """Who looks after a kind of exception. KeyError for a kind that does not exist."""
        return self.owners.get(kind, KINDS[kind].owner)

    def fingerprint(self) -> str:
        """Hash of all decisions: changes exactly when one of them does, not with comments or order."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return exact_json.fingerprint(self.model_dump())


def load_mapping(source: Path | str) -> Mapping:
    """Read and check a mapping: a path to a YAML file, or the YAML text itself (of several lines).

    Raises MappingError with the place of everything that is wrong and what to write instead.
    """
    is_path = isinstance(source, Path) or "\n" not in source
    name = str(source) if is_path else "the mapping"
    try:
        text = Path(source).read_text(encoding="utf-8") if is_path else str(source)
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(
            f"{name} cannot be read: {error}. Name the file that holds the seller's decisions."
        ) from None
    return _checked(name, text)


@lru_cache(maxsize=4)
def _checked(name: str, text: str) -> Mapping:
    """A mapping that did not change is not checked again: each look at whether there is work loads it."""
    try:
        document = read_yaml(text)
    except YamlError as error:
        raise MappingError(f"{name}: {error}") from None
    try:
        return Mapping.model_validate(document.data)
    except ValidationError as error:
        problems = complaints(error, document, Mapping)
        raise MappingError(
            f"{name} cannot be used:\n" + "\n".join(f"  {line}" for line in problems)
        ) from None
