"""The seller's decisions about an order that is in NetSuite: shipped, called off, billed.

Each section has defaults that change nothing which a person would not do anyway: nobody's request is
answered and nothing is billed unless the file says so.

Invariant: names of carriers differ by more than case and spaces, so that a text on an Item Fulfillment
means one TikTok provider or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from tiktok_ns_pipeline.mapping.section import Id, Section

_A_WEEK_IN_MINUTES = 7 * 24 * 60


def carrier_key(text: str) -> str:
    """How carriers are compared: without regard to case and runs of spaces."""
    return " ".join(text.split()).casefold()


def _told_apart(carriers: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for name in carriers:
        if not (key := carrier_key(name)):
            raise ValueError("a carrier has no name; write `<ship method of NetSuite>: <TikTok provider>`")
        other = seen.setdefault(key, name)
        if other != name:
            raise ValueError(f"{other!r} and {name!r} are the same carrier; keep one of them")
    return carriers


_Provider = Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]

Carriers = Annotated[dict[str, _Provider], AfterValidator(_told_apart)]
"""TikTok's shipping provider (name or id, T 4.5) by NetSuite's ship method or the carrier's name."""

RejectReason = Annotated[str, Field(max_length=120, pattern=r"^[A-Za-z0-9_]*$")]
"""TikTok's machine name of a reason to reject a cancellation; empty for none. They differ by market."""

Handover = Literal["drop_off", "pickup"]


class FulfilmentRules(Section):
    """How shipments are told to TikTok, and how long we wait for what is not there yet."""

    tracking_wait_hours: int = Field(
        default=24,
        gt=0,
        le=14 * 24,
        description="hours that a shipped parcel may be without a tracking number before a person is asked",
    )
    tracking_retry_minutes: tuple[Annotated[int, Field(gt=0, le=_A_WEEK_IN_MINUTES)], ...] = Field(
        default=(5, 30, 120),
        max_length=10,
        description="minutes after which a tracking number that TikTok does not know is tried again, "
        "ascending, at most 10, such as [5, 30, 120]",
    )
    watch_days: int = Field(
        default=14,
        gt=0,
        le=180,
        description="days that a shipped Item Fulfillment is watched for changes and deletion",
    )
    dispatch_warning_hours: int = Field(
        default=12,
        gt=0,
        le=14 * 24,
        description="hours before an order's dispatch deadline at which the check `dispatch_on_time` warns",
    )
    late_rate_window_days: int = Field(
        default=7, gt=0, le=90, description="days over which the rate of late dispatches is projected"
    )

    @field_validator("tracking_retry_minutes")
    @classmethod
    def _ascending(cls, minutes: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(minutes)):
            raise ValueError("the minutes must ascend; write them like [5, 30, 120]")
        return minutes


class CancellationRequests(Section):
    """Who answers a buyer's request to cancel; TikTok approves it itself when nobody does (T 6.1)."""

    unfulfilled: Literal["approve", "person"] = Field(
        default="person", description="while nothing is picked: approve, or a person decides"
    )
    fulfilled: Literal["reject", "person"] = Field(
        default="person", description="once the cutoff is reached: reject, or a person decides"
    )
    reject_reason: RejectReason = Field(
        default="", description="TikTok's name of the reason for rejecting, as its list of reasons spells it"
    )

    @model_validator(mode="after")
    def _rejects_with_reason(self) -> CancellationRequests:
        if self.fulfilled == "reject" and not self.reject_reason:
            raise ValueError(
                "TikTok takes a rejection with one of its reasons only; write `reject_reason: ...`, such as "
                "seller_reject_apply_product_has_been_packed"
            )
        return self


class CancellationRules(Section):
    """Until when an order that TikTok cancelled is closed in NetSuite."""

    cutoff: Literal["picked", "packed", "shipped"] = Field(
        default="picked",
        description="state of an Item Fulfillment from which on its order is not closed any more",
    )
    requests: CancellationRequests = CancellationRequests()


class NoBilling(Section):
    """The seller's own process bills."""

    policy: Literal["none"]


class _Billed(Section):
    """What was shipped is billed by us, from a day on."""

    since: date | None = Field(
        default=None,
        description="first day of shipment that is billed, such as 2026-12-01; else the day on which a run "
        "first finds this policy. What was shipped before is left alone.",
    )


class CashSaleBilling(_Billed):
    """What was shipped becomes a Cash Sale into a clearing account, which payouts empty (N 6)."""

    policy: Literal["cash_sale"]
    account_id: Id = Field(
        description="internal id of the clearing account that holds what TikTok owes, in the shop's currency"
    )


class InvoiceBilling(_Billed):
    """What was shipped becomes an Invoice on the Sales Order's customer (N 6)."""

    policy: Literal["invoice"]


BillingPolicy = Annotated[NoBilling | CashSaleBilling | InvoiceBilling, Field(discriminator="policy")]


def provider_among(carriers: Mapping[str, str], text: str) -> str | None:
    """The TikTok provider of a carrier's name; None when the list does not have it."""
    key = carrier_key(text)
    return next((provider for name, provider in carriers.items() if carrier_key(name) == key), None)
