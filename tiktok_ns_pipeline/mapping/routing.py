"""Routing: ordered rules that say where in NetSuite an order and its lines belong.

A rule has a `when` (all stated conditions must hold) and a `set`. The rules are read from the top,
and for each field by itself the first matching rule that sets it decides it. So a specific rule
stands above a general one and may leave fields to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from tiktok_ns_pipeline.mapping.section import FieldName, Id, Region, Section

Fulfilment = Literal["seller", "channel"]

Tag = Literal["sample", "gift", "replacement", "exchange", "zero_price", "cod", "pre_order", "subscription"]
"""What kind of order it is; an order can carry several."""

CustomValue = str | bool | Decimal


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One text or a list of texts, any of which may hold."""


class When(Section):
    """Conditions; those that are stated must all hold. A list means any of its values."""

    shop: Texts | None = Field(default=None, description="shop codes of this file")
    region: Annotated[tuple[Region, ...], BeforeValidator(_listed)] | None = Field(
        default=None, description="country that the parcel goes to, such as US"
    )
    state: Texts | None = Field(
        default=None, description="state or province that the parcel goes to, such as CA"
    )
    warehouse: Annotated[tuple[Id, ...], BeforeValidator(_listed)] | None = Field(
        default=None, description="TikTok warehouse ids"
    )
    fulfilment: Fulfilment | None = Field(
        default=None, description="seller, or channel for orders that TikTok fulfils"
    )
    tags: Annotated[tuple[Tag, ...], BeforeValidator(_listed), Field(min_length=1)] | None = Field(
        default=None, description="kinds of order, such as sample or cod"
    )
    amount_from: Decimal | None = Field(
        default=None, description="at least this amount, in the order's currency"
    )
    amount_below: Decimal | None = Field(
        default=None, description="less than this amount, in the order's currency"
    )
    sku: Texts | None = Field(
        default=None, description="seller SKUs or TikTok SKU ids; * stands for any characters"
    )
    product_id: Annotated[tuple[Id, ...], BeforeValidator(_listed)] | None = Field(
        default=None, description="TikTok product ids"
    )
    product_name_contains: Texts | None = Field(default=None, description="texts in the product's name")
    sku_name_contains: Texts | None = Field(default=None, description="texts in the variant's name")


class LineSet(Section):
    """What a rule for lines may decide."""

    location_id: Id | None = Field(default=None, description="internal id of the location")
    department_id: Id | None = Field(default=None, description="internal id of the department")
    class_id: Id | None = Field(default=None, description="internal id of the class")
    custom_fields: dict[FieldName, CustomValue] = Field(
        default_factory=dict, description="custom field ids with their values"
    )


class OrderSet(LineSet):
    """What a rule for orders may decide."""

    subsidiary_id: Id | None = Field(default=None, description="internal id of the subsidiary")
    form_id: Id | None = Field(default=None, description="internal id of the custom form")


class _Rule(Section):
    name: str = Field(min_length=1, description="what the rule does, for whoever reads an explanation")
    when: When = When()


class OrderRule(_Rule):
    """A rule for the Sales Order's head."""

    set: OrderSet = Field(description="the fields that the rule decides")

    @model_validator(mode="after")
    def _decides(self) -> OrderRule:
        return _deciding(self)


class LineRule(_Rule):
    """A rule for single lines."""

    set: LineSet = Field(description="the fields that the rule decides")

    @model_validator(mode="after")
    def _decides(self) -> LineRule:
        return _deciding(self)


class Routing(Section):
    """All rules, in the order in which they are asked."""

    orders: tuple[OrderRule, ...] = ()
    lines: tuple[LineRule, ...] = ()


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What a rule can know of one line."""

    sku_id: str
    seller_sku: str
    product_id: str
    product_name: str
    sku_name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What a rule can know of one order. `amount` is what the seller is owed for it."""

    shop: str
    region: str
    state: str
    warehouse: str
    fulfilment: Fulfilment
    tags: frozenset[str]
    amount: Decimal
    lines: tuple[LineFacts, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A decided field: its value and the rule that decided it."""

    value: CustomValue
    rule: str


def route_order(rules: Sequence[OrderRule], facts: OrderFacts) -> dict[str, Chosen]:
    """The fields that rules decide for an order, custom fields by their own names.

    A condition on products holds when one line of the order fulfils all of them.
    """
    chosen: dict[str, Chosen] = {}
    for number, rule in enumerate(rules, start=1):
        if _order_holds(rule.when, facts, facts.amount) and any(
            _line_holds(rule.when, line) for line in facts.lines
        ):
            _choose(chosen, rule.set, f"routing.orders {number}: {rule.name}")
    return chosen


def route_line(rules: Sequence[LineRule], facts: OrderFacts, line: LineFacts) -> dict[str, Chosen]:
    """The fields that rules decide for one line; amounts are the line's own."""
    chosen: dict[str, Chosen] = {}
    for number, rule in enumerate(rules, start=1):
        if _order_holds(rule.when, facts, line.amount) and _line_holds(rule.when, line):
            _choose(chosen, rule.set, f"routing.lines {number}: {rule.name}")
    return chosen


def _order_holds(when: When, facts: OrderFacts, amount: Decimal) -> bool:
    return all(
        (
            when.shop is None or facts.shop in when.shop,
            when.region is None or facts.region in when.region,
            when.state is None or facts.state.casefold() in {state.casefold() for state in when.state},
            when.warehouse is None or facts.warehouse in when.warehouse,
            when.fulfilment is None or facts.fulfilment == when.fulfilment,
            when.tags is None or not facts.tags.isdisjoint(when.tags),
            when.amount_from is None or amount >= when.amount_from,
            when.amount_below is None or amount < when.amount_below,
        )
    )


def _line_holds(when: When, line: LineFacts) -> bool:
    return all(
        (
            when.sku is None or _any_matches((line.seller_sku, line.sku_id), when.sku),
            when.product_id is None or line.product_id in when.product_id,
            when.product_name_contains is None or _contains(line.product_name, when.product_name_contains),
            when.sku_name_contains is None or _contains(line.sku_name, when.sku_name_contains),
        )
    )


def _any_matches(texts: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(text and fnmatchcase(text, pattern) for text in texts for pattern in patterns)


def _contains(text: str, parts: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(part.casefold() in folded for part in parts)


def _choose(chosen: dict[str, Chosen], decided: LineSet, rule: str) -> None:
    """Keep what this rule decides and no earlier one has decided."""
    values = decided.model_dump(exclude={"custom_fields"}, exclude_none=True) | decided.custom_fields
    for field, value in values.items():
        chosen.setdefault(field, Chosen(value, rule))


_R = TypeVar("_R", OrderRule, LineRule)


def _deciding(rule: _R) -> _R:
    if rule.set == type(rule.set)():
        raise ValueError("the rule sets nothing; state at least one field under `set`")
    return rule
