"""Orders that move goods and earn nothing: samples, replacements, exchanges, gifts, zero prices.

Whether such an order becomes a Sales Order is the seller's decision. It is made here once, for
staging and for the proof alike, so that neither can expect what the other does not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from pydantic import Field, model_validator

from tiktok_ns_pipeline.mapping.section import Id, Section
from tiktok_ns_pipeline.tiktok.identities import active_lines
from tiktok_ns_pipeline.tiktok.models import Order

SpecialKind = Literal["sample", "replacement", "exchange", "gift", "zero_price"]

PRECEDENCE: tuple[SpecialKind, ...] = ("sample", "replacement", "exchange", "gift", "zero_price")
"""Which rule decides an order that is several things at once: what it is for comes before its price."""


class SpecialRule(Section):
    """What becomes of one kind of special order."""

    action: Literal["post", "post_at_zero", "skip"] = Field(
        default="post",
        description="post (as TikTok prices it), post_at_zero (refuse it if it is not free), or skip",
    )
    class_id: Id | None = Field(
        default=None, description="internal id of the class, such as one for marketing"
    )
    department_id: Id | None = Field(default=None, description="internal id of the department")
    reason: str | None = Field(default=None, description="why such orders are skipped; it is recorded")

    @model_validator(mode="after")
    def _skips_with_reason(self) -> SpecialRule:
        if self.action == "skip" and not (self.reason or "").strip():
            raise ValueError("an order is skipped with a reason; write `reason: ...`")
        return self


class SpecialOrders(Section):
    """One rule for each kind; a kind that is not named is posted as TikTok prices it."""

    sample: SpecialRule = SpecialRule()
    replacement: SpecialRule = SpecialRule()
    exchange: SpecialRule = SpecialRule()
    gift: SpecialRule = SpecialRule()
    zero_price: SpecialRule = SpecialRule()

    def rule_of(self, kind: SpecialKind) -> SpecialRule:
        """The rule for one kind."""
        return cast(SpecialRule, getattr(self, kind))


@dataclass(frozen=True, slots=True)
class SpecialFlags:
    """What an order says of itself (T 3.3).

    `gift` means that every active line is a gift; `zero_price` that the seller is owed nothing.
    """

    sample: bool = False
    replacement: bool = False
    exchange: bool = False
    gift: bool = False
    zero_price: bool = False

    def kinds(self) -> frozenset[SpecialKind]:
        """All kinds that the order is."""
        return frozenset(kind for kind in PRECEDENCE if getattr(self, kind))


@dataclass(frozen=True, slots=True)
class SpecialDecision:
    """The rule that decides an order; `kind` is None for an ordinary order."""

    kind: SpecialKind | None
    rule: SpecialRule

    @property
    def skips(self) -> bool:
        """Whether no Sales Order shall exist for it."""
        return self.rule.action == "skip"


def decide(flags: SpecialFlags, rules: SpecialOrders) -> SpecialDecision:
    """Which rule decides an order with these flags."""
    for kind in PRECEDENCE:
        if getattr(flags, kind):
            return SpecialDecision(kind, rules.rule_of(kind))
    return SpecialDecision(None, SpecialRule())


def flags_of(order: Order, owed_total: Decimal | None) -> SpecialFlags:
    """What an order says of itself; `owed_total` is what the seller is owed, None where it is unknown."""
    lines = active_lines(order)
    return SpecialFlags(
        sample=order.is_sample_order,
        replacement=order.is_replacement_order,
        exchange=order.is_exchange_order,
        gift=bool(lines) and all(line.is_gift for line in lines),
        zero_price=owed_total == 0,
    )
