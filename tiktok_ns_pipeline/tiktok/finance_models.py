"""Rows of money as TikTok Shop listed them: who they are, when, and how much (T 7.3-7.10).

Enough to know what to read, watch and compare; what a transaction is made of stays in its raw row.
Nothing is summed here, and an amount that is not stated is None, never zero. Amounts are signed from the
seller's point of view, income positive (T 7.4). Values are read as `wire` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.tiktok.wire import (
    Amount,
    Count,
    Currency,
    Id,
    Instant,
    RequiredId,
    RequiredInstant,
    Text,
    Wire,
    absent_as_none,
    parse,
)

_DIGITS_OF_AN_EPOCH = 10


class ListedStatement(Wire):
    """A statement in the list: one per shop and UTC day (T 7.3)."""

    id: RequiredId
    statement_time: RequiredInstant
    """The midnight (UTC) that ended the day."""
    currency: Currency = None
    payment_id: Id = None
    """None before it is paid."""
    payment_status: Text = None
    """`PAID`, `PROCESSING`, `FAILED`. New ones appear without notice."""
    payment_time: Instant = None
    settlement_amount: Amount = None
    revenue_amount: Amount = None
    """Not for the UK and the US."""
    net_sales_amount: Amount = None
    shipping_cost_amount: Amount = None
    fee_amount: Amount = None
    """Fees and taxes; in South-East Asia shipping, too."""
    adjustment_amount: Amount = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> ListedStatement:
        """Read a raw statement. Raises WireError naming the statement and the field."""
        return parse(cls, raw, "statement")


class StatementTransaction(Wire):
    """A row of a statement, of any version (T 7.5, 7.7)."""

    id: RequiredId
    type: Text = None
    """`ORDER`, `RESERVE` or an adjustment's; an open set (T 7.8)."""
    currency: Currency = None
    """In 202309 alone; else the header has it."""
    order_id: Id = None
    order_create_time: Instant = None
    adjustment_id: Id = None
    adjustment_order_id: Id = None
    reserve_id: Id = None
    associated_order_id: Id = None
    """The order for which something is held in reserve."""
    settlement_amount: Amount = None
    revenue_amount: Amount = None
    shipping_cost_amount: Amount = None
    fee_tax_amount: Amount = None
    """Of 202501."""
    fee_amount: Amount = None
    """Of 202309."""
    adjustment_amount: Amount = None
    reserve_amount: Amount = None
    """Negative when it is withheld, positive when it is released (T 7.11)."""
    reserve_status: Text = None
    release_time: Annotated[Instant, Field(validation_alias="estimated_release_time")] = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> StatementTransaction:
        """Read a raw row. Raises WireError naming the transaction and the field."""
        return parse(cls, raw, "transaction")


class CurrencyAmount(Wire):
    """An amount that names its currency."""

    value: Amount = None
    currency: Currency = None


_NamedAmount = Annotated[CurrencyAmount | None, BeforeValidator(absent_as_none)]


class ListedPayment(Wire):
    """A transfer to the seller's bank, of one or more statements (T 7.9)."""

    id: RequiredId
    status: Text = None
    """`PAID`, `PROCESSING`, `FAILED`. New ones appear without notice."""
    create_time: Instant = None
    paid_time: Instant = None
    """None while it is unpaid."""
    amount: _NamedAmount = None
    """What arrives."""
    settlement_amount: _NamedAmount = None
    reserve_amount: _NamedAmount = None
    """Negative when it is withheld; in 202309 alone."""
    payment_amount_before_exchange: _NamedAmount = None
    exchange_rate: Amount = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> ListedPayment:
        """Read a raw payment. Raises WireError naming the payment and the field."""
        return parse(cls, raw, "payment")


class Withdrawal(Wire):
    """A movement of the shop's wallet (T 7.9)."""

    id: RequiredId
    type: Text = None
    """`SETTLE`, `WITHDRAW`, `TRANSFER`, `REVERSE`. New ones appear without notice."""
    status: Text = None
    """`PROCESSING`, `SUCCESS`, `FAILED`."""
    amount: Amount = None
    currency: Currency = None
    create_time: Instant = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Withdrawal:
        """Read a raw movement. Raises WireError naming the movement and the field."""
        return parse(cls, raw, "withdrawal")


class UnsettledTransaction(Wire):
    """An estimate of what will settle (T 7.10)."""

    id: RequiredId
    type: Text = None
    currency: Currency = None
    order_id: Id = None
    order_create_time: Instant = None
    order_delivery_time: Instant = None
    """None before it is delivered."""
    adjustment_id: Id = None
    adjustment_order_id: Id = None
    est_settlement_amount: Amount = None
    est_revenue_amount: Amount = None
    est_shipping_cost_amount: Amount = None
    est_fee_tax_amount: Amount = None
    est_adjustment_amount: Amount = None
    estimated_settlement: Text = None
    """Unix seconds once it is delivered, before that TikTok's policy in words."""
    unsettled_reason: Text = None

    @property
    def settles_at(self) -> datetime | None:
        """When it is expected to settle, where that is known."""
        text = (self.estimated_settlement or "").strip()
        is_epoch = text.isdecimal() and len(text) <= _DIGITS_OF_AN_EPOCH and int(text) > 0
        return from_epoch(int(text)) if is_epoch else None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> UnsettledTransaction:
        """Read a raw estimate. Raises WireError naming the transaction and the field."""
        return parse(cls, raw, "unsettled transaction")


class UnsettledTotals(Wire):
    """What heads every page of the unsettled transactions: sums and count of all of them (T 7.10)."""

    sum_est_settlement_amount: Amount = None
    sum_est_revenue_amount: Amount = None
    sum_est_fee_amount: Amount = None
    sum_est_adjustment_amount: Amount = None
    total_count: Count = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> UnsettledTotals:
        """Read the head of a page. Raises WireError naming the field."""
        return parse(cls, raw, "sums of the unsettled transactions")
