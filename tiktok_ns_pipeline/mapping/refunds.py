"""The seller's decisions about refunds and returns: which documents, when, and what is waited for.

TikTok's refund is what the buyer gets. The seller's side of it comes with the settlement (T 6.5), so
documents are made only if the shop's `refunds` say so: a Credit Memo where the order was invoiced, a
Cash Refund where it was a Cash Sale (N 6 no. 6).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from tiktok_ns_pipeline.mapping.section import Id, Section


class RefundRules(Section):
    """How long is waited before a person is asked."""

    goods_wait_days: int = Field(
        default=30,
        ge=1,
        le=180,
        description="days after a refund that the goods may be on their way back before it is an exception",
    )
    refund_wait_days: int = Field(
        default=7,
        ge=1,
        le=180,
        description="days after goods came back that TikTok's refund may be missing",
    )
    reply_warning_hours: int = Field(
        default=24,
        ge=1,
        le=14 * 24,
        description="hours before TikTok's deadline at which a return that waits for the seller is told",
    )


class RefuseLarger(Section):
    """A refund that is larger than what was billed waits for a person."""

    policy: Literal["refuse"]


class BookLarger(Section):
    """What a refund is larger than what was billed goes to an account of its own."""

    policy: Literal["account"]
    account_id: Id = Field(description="internal id of the account for what was never billed")


class NoRefunds(Section):
    """The seller's own process makes the documents."""

    policy: Literal["none"]


class RefundsAsBilled(Section):
    """Each refund becomes a document of the kind that its order was billed by."""

    policy: Literal["as_billed"]
    since: date | None = Field(
        default=None,
        description="first day of completed refunds that are posted, such as 2026-12-01; else the day on "
        "which a run first finds this policy",
    )
    item_id: Id = Field(
        description="internal id of the non-inventory item for money that is given back without goods"
    )
    shipping_item_id: Id | None = Field(
        default=None,
        description="internal id of the item for refunded shipping; else the shop's shipping item",
    )
    receipt: Literal["watch", "make"] = Field(
        default="watch",
        description="goods that come back: watch for the warehouse's Item Receipt, or make it",
    )
    larger_than_billed: Annotated[RefuseLarger | BookLarger, Field(discriminator="policy")] = Field(
        default=RefuseLarger(policy="refuse"),
        description="a refund above what was billed: `policy: refuse`, or account (with `account_id`)",
    )


RefundPolicy = Annotated[NoRefunds | RefundsAsBilled, Field(discriminator="policy")]
