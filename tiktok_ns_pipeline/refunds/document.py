"""What the refunds flow speaks of: a claim, and the documents that should exist for it in NetSuite.

Terms: a *claim* is one return, refund or replacement, or the cancellation of an order that had left
already. Its *units* are the channel's line ids. A *share* is the part of a Sales Order's line that a
document takes. Documents keep which units they are about and what of the buyer's refund they cover: by
that the next refund of the order knows what is left.

Invariant: a credit's shares sum to its total, and its explanation leads from what the buyer got to that
total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger.facts import CREDIT, ITEM_RECEIPT, REFUND_EXCESS, RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import FactKey

CHANNEL = "tiktok"
SUBJECT = "return "
"""How the subjects of this flow's exceptions begin; the claim's id follows."""

_ZERO = Decimal(0)
_ExternalId = Field(pattern=r"^[a-z0-9_-]{1,100}$")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the buyer wants, or got, back. Amounts are the buyer's, positive, in the shop's currency."""

    shop: str
    id: str
    """The channel's return id, or cancel id."""
    order_id: str
    is_cancellation: bool
    unit_ids: tuple[str, ...]
    brings_goods: bool
    """Whether goods are to come back."""
    has_arrived: bool
    """Whether TikTok itself says that the seller has the parcel."""
    goods: Mapping[str, Decimal | None]
    """What is refunded of each unit, without tax that comes on top; None for all that was paid."""
    shipping: Decimal | None
    """Refunded shipping fee, with what the platform had paid of it; None for all that was billed."""
    to_buyer: Decimal | None
    """All the buyer gets; None where nothing was paid."""
    tax_on_top: Decimal
    fees: Decimal
    """Fees of the platform's that the buyer gets back."""
    completed_at: datetime | None
    """When the refund was complete; None before."""

    @property
    def subject(self) -> str:
        """What an exception about it is about."""
        return f"{SUBJECT}{self.id}"

    @property
    def name(self) -> str:
        """How a message calls it."""
        what = "Cancellation" if self.is_cancellation else "Return"
        return f"{what} {self.id} of order {self.order_id} of shop {self.shop}"

    def fact(self, kind: str) -> FactKey:
        """The fact of that kind about it."""
        return FactKey(CHANNEL, self.shop, kind, self.id)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something about a claim has no document, or cannot stay as it is."""

    kind: str
    cause: str
    message: str
    due_at: datetime | None = None
    """TikTok's own deadline, where it has one."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def fingerprint(self) -> str:
        """Hash of all that decides the record."""
        return exact_json.fingerprint(self.model_dump())


class TaxShare(_Document):
    """One tax of a line, as the Sales Order details it (N 2.13, SuiteTax)."""

    reference: str
    code_id: str
    type_id: str
    rate: Decimal
    """Percent."""
    basis: Decimal
    amount: Decimal


class ShareLine(_Document):
    """What a document takes of one line of the Sales Order."""

    order_line: int
    key: str
    """The pipeline's key of the line; empty on somebody else's."""
    item_id: str
    quantity: Decimal | None = None
    """Goods that come back, in the line's own unit; None where money alone is given back."""
    amount: Decimal = _ZERO
    """Net of tax."""
    tax: Decimal = _ZERO
    legacy_tax_code_id: str | None = None
    taxes: tuple[TaxShare, ...] = ()
    location_id: str | None = None


class ReturnAuthorization(_Document):
    """Goods may come back: made of the Sales Order when TikTok approves."""

    channel: str
    shop: str
    order_id: str
    claim_id: str
    external_id: str = _ExternalId
    """`tts-<shop>-ra-<claim id>`."""
    sales_order_id: str
    memo: str
    lines: tuple[ShareLine, ...]
    goods: dict[str, Decimal]
    """What it covers of the buyer's refund, by unit."""
    shipping: Decimal = _ZERO
    """What it covers of the refunded shipping."""
    left_out: tuple[int, ...] = ()
    """Lines of the Sales Order with a quantity of which nothing comes back."""
    left_out_amounts: tuple[int, ...] = ()
    """The same of lines without one."""
    has_tax_details: bool = False
    is_closed: bool = False
    """Nothing comes back any more."""

    kind: Literal["ra"] = RETURN_AUTHORIZATION

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"Return Authorization {self.external_id}"


class ItemReceipt(_Document):
    """Goods are back: made of the Return Authorization, where the mapping does not leave it to the
    warehouse."""

    channel: str
    shop: str
    order_id: str
    claim_id: str
    external_id: str = _ExternalId
    """`tts-<shop>-ir-<claim id>`."""
    memo: str
    lines: tuple[ShareLine, ...]
    """Goods only."""

    kind: Literal["ir"] = ITEM_RECEIPT

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"Item Receipt {self.external_id}"


class Step(_Document):
    """One step from what the buyer got to what the seller's books show."""

    name: Literal[
        "refunded_to_buyer",
        "tax_collected_by_channel",
        "fees_kept_by_channel",
        "platform_discount",
        "shipping_not_billed",
        "beyond_billed",
        "rounding",
    ]
    amount: Decimal


class Credit(_Document):
    """A refund as the Credit Memo or Cash Refund that should exist for it."""

    channel: str
    shop: str
    order_id: str
    claim_id: str
    record_type: Literal["creditMemo", "cashRefund"]
    external_id: str = _ExternalId
    """`tts-<shop>-<cm|cr>-<claim id>`."""
    of_return: bool
    """Made of the Return Authorization; else stands alone, with items that move no stock (N 6)."""
    sales_order_id: str
    customer_id: str | None
    currency_id: str
    exchange_rate: Decimal | None = None
    """The bill's, so that both come to the same in the subsidiary's currency."""
    account_id: str | None = None
    """Clearing account of a Cash Refund."""
    refunded_on: date
    tran_date: date
    """The day of the refund, or the first open day after it."""
    memo: str
    currency: str
    lines: tuple[ShareLine, ...]
    has_tax_details: bool = False
    goods: dict[str, Decimal]
    """What it covers of the buyer's refund, by unit."""
    shipping: Decimal = _ZERO
    """What it covers of the refunded shipping."""
    explanation: tuple[Step, ...]
    expected_total: Decimal

    kind: Literal["credit"] = CREDIT

    @model_validator(mode="after")
    def _sums(self) -> Credit:
        total = sum((line.amount + line.tax for line in self.lines), _ZERO)
        if total != self.expected_total:
            raise ValueError(f"{self.external_id}: shares sum to {total}, not to {self.expected_total}")
        explained = sum((step.amount for step in self.explanation), _ZERO)
        if explained != self.expected_total:
            raise ValueError(f"{self.external_id}: explained are {explained}, not {self.expected_total}")
        if self.expected_total <= 0:
            raise ValueError(f"{self.external_id} credits nothing")
        return self

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"{'Cash Refund' if self.record_type == 'cashRefund' else 'Credit Memo'} {self.external_id}"


class Excess(_Document):
    """What a refund is larger than what was billed, as a Journal Entry: out of clearing, where the
    mapping names an account for it."""

    channel: str
    shop: str
    order_id: str
    claim_id: str
    external_id: str = _ExternalId
    """`tts-<shop>-rx-<claim id>`."""
    subsidiary_id: str
    currency_id: str
    account_id: str
    clearing_account_id: str
    tran_date: date
    memo: str
    amount: Decimal = Field(gt=0)

    kind: Literal["rx"] = REFUND_EXCESS

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"Journal Entry {self.external_id}"


RefundDocument = ReturnAuthorization | ItemReceipt | Credit | Excess
