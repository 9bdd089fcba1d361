"""Where an order belongs: who fulfils it, from which location, in whose books.

The warehouse gives the location, the shop gives the defaults, a special order may have a class of its
own; routing rules decide before the warehouse and the shop, special orders before routing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.routing import (
    Chosen,
    CustomValue,
    Fulfilment,
    LineFacts,
    OrderFacts,
    route_line,
    route_order,
)
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.mapping.special_orders import SpecialDecision, SpecialFlags
from tiktok_ns_pipeline.orders.address import country_of, state_of
from tiktok_ns_pipeline.orders.lines import Group
from tiktok_ns_pipeline.orders.notes import Notes
from tiktok_ns_pipeline.tiktok.lifecycle import FULFILMENT
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.owed import Owed

_FIELDS = ("subsidiary_id", "location_id", "department_id", "class_id", "form_id")


@dataclass(frozen=True, slots=True)
class Place:
    """The places of a line or of the whole order; `chosen` holds each field's value and rule."""

    chosen: dict[str, Chosen] = field(default_factory=dict[str, Chosen])

    def id_of(self, name: str) -> str | None:
        """The internal id of a field such as `location_id`; None where nothing decides it."""
        found = self.chosen.get(name)
        return None if found is None else str(found.value)

    @property
    def custom_fields(self) -> dict[str, CustomValue]:
        """Values of custom fields, by their ids."""
        return {name: found.value for name, found in self.chosen.items() if name not in _FIELDS}


@dataclass(frozen=True, slots=True)
class Placing:
    """The order's place and what rules can know of it."""

    fulfilment: Fulfilment
    place: Place
    facts: OrderFacts


def place(
    order: Order,
    shop: Shop,
    mapping: Mapping,
    special: tuple[SpecialDecision, SpecialFlags],
    owed: Owed,
    groups: list[Group],
    notes: Notes,
) -> Placing:
    """Where the order belongs. What nothing decides is noted as a problem."""
    decision, flags = special
    fulfilment = _fulfilment(order, mapping, notes)
    facts = OrderFacts(
        shop=shop.code,
        region=country_of(order.recipient_address) or shop.region,
        state=state_of(order.recipient_address) or "",
        warehouse=order.warehouse_id or "",
        fulfilment=fulfilment,
        tags=frozenset(_tags(order, flags)),
        amount=owed.total,
        lines=tuple(line_facts(group) for group in groups),
    )
    chosen: dict[str, Chosen] = {}
    if decision.kind is not None:
        rule = f"special_orders.{decision.kind}"
        _add(chosen, "class_id", decision.rule.class_id, rule)
        _add(chosen, "department_id", decision.rule.department_id, rule)
    for name, decided in route_order(mapping.routing.orders, facts).items():
        chosen.setdefault(name, decided)
    for name in ("subsidiary_id", "department_id", "class_id", "form_id"):
        _add(chosen, name, getattr(shop, name), f"shops.{shop.code}.{name}")
    if "location_id" not in chosen:
        _warehouse_location(chosen, order, shop, mapping, fulfilment, notes)
    for name, decided in chosen.items():
        notes.decided(name, decided.value, decided.rule, "mapping")
    return Placing(fulfilment, Place(chosen), facts)


def place_line(group: Group, placing: Placing, mapping: Mapping, notes: Notes) -> Place:
    """Where a line belongs: its own rules first, then the order's place."""
    facts = line_facts(group)
    chosen: dict[str, Chosen] = {}
    if group.unit.is_gift:
        gift = mapping.special_orders.gift
        _add(chosen, "class_id", gift.class_id, "special_orders.gift")
        _add(chosen, "department_id", gift.department_id, "special_orders.gift")
    for name, decided in route_line(mapping.routing.lines, placing.facts, facts).items():
        chosen.setdefault(name, decided)
    for name, decided in chosen.items():
        notes.decided(f"{name} of {facts.seller_sku or facts.sku_id}", decided.value, decided.rule, "mapping")
    for name in ("location_id", "department_id", "class_id"):
        inherited = placing.place.chosen.get(name)
        if inherited is not None:
            chosen.setdefault(name, inherited)
    return Place(chosen)


def line_facts(group: Group) -> LineFacts:
    """What rules can know of a group of units."""
    unit = group.unit
    return LineFacts(
        sku_id=unit.sku_id or "",
        seller_sku=(unit.seller_sku or "").strip(),
        product_id=unit.product_id or "",
        product_name=unit.product_name or "",
        sku_name=unit.sku_name or "",
        amount=group.price.owed * group.count,
    )


def _fulfilment(order: Order, mapping: Mapping, notes: Notes) -> Fulfilment:
    """Who packs the parcel: what the order says, else what the mapping says of its warehouse."""
    stated = order.fulfillment_type
    if stated is not None:
        fulfilment = FULFILMENT.get(stated)
        if fulfilment is None:
            cause = f"fulfillment_type:{stated}"
            notes.problem("unknown_value", cause, f"its fulfillment_type is {stated!r}, which is not known.")
            return "seller"
        notes.decided("fulfilment", fulfilment, f"fulfillment_type is {stated}", "T 3.3")
        return fulfilment
    warehouse = mapping.warehouses.get(order.warehouse_id or "")
    fulfilment = warehouse.fulfilment if warehouse else "seller"
    notes.decided("fulfilment", fulfilment, "the order states none; its warehouse decides", "mapping")
    return fulfilment


def _warehouse_location(
    chosen: dict[str, Chosen],
    order: Order,
    shop: Shop,
    mapping: Mapping,
    fulfilment: Fulfilment,
    notes: Notes,
) -> None:
    """The location of the order's warehouse; the shop's where the order names none."""
    warehouse = mapping.warehouses.get(order.warehouse_id or "")
    if warehouse is not None and (fulfilment == "seller" or warehouse.fulfilment == "channel"):
        rule = f"warehouses.{order.warehouse_id}"
        chosen["location_id"] = Chosen(warehouse.location_id, rule)
        return
    if fulfilment == "channel":
        if shop.fbt_location_id is not None:
            chosen["location_id"] = Chosen(shop.fbt_location_id, f"shops.{shop.code}.fbt_location_id")
            return
        message = (
            "TikTok fulfils it, but neither its warehouse nor `fbt_location_id` of the shop names a location."
        )
        notes.problem("unmapped_warehouse", f"warehouse:{order.warehouse_id or 'FBT'}", message)
    elif order.warehouse_id is not None:
        message = f"its TikTok warehouse {order.warehouse_id} is not under `warehouses` of the mapping."
        notes.problem("unmapped_warehouse", f"warehouse:{order.warehouse_id}", message)
    elif shop.location_id is not None:
        chosen["location_id"] = Chosen(shop.location_id, f"shops.{shop.code}.location_id")
    else:
        message = "it names no warehouse, and the shop has no `location_id` for such orders."
        notes.problem("unmapped_warehouse", "warehouse:none", message)


def _tags(order: Order, flags: SpecialFlags) -> set[str]:
    tags: set[str] = set(flags.kinds())
    if any(line.is_gift for line in order.line_items):
        tags.add("gift")
    if order.is_cod:
        tags.add("cod")
    if order.order_type == "PRE_ORDER":
        tags.add("pre_order")
    if order.is_subscription_order:
        tags.add("subscription")
    return tags


def _add(chosen: dict[str, Chosen], name: str, value: str | None, rule: str) -> None:
    if value is not None:
        chosen.setdefault(name, Chosen(value, rule))
