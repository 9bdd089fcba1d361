"""What staging a claim needs to know beside the claim: NetSuite's side of its order, and the shop's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeVar

from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.refunds import RefundRules, RefundsAsBilled
from tiktok_ns_pipeline.netsuite.periods import Periods
from tiktok_ns_pipeline.refunds.document import (
    Claim,
    Credit,
    Excess,
    ItemReceipt,
    RefundDocument,
    ReturnAuthorization,
)
from tiktok_ns_pipeline.refunds.shares import Entry

Own = TypeVar("Own", ReturnAuthorization, ItemReceipt, Credit, Excess)


@dataclass(frozen=True, slots=True)
class Billed:
    """A Cash Sale or Invoice of the order, as NetSuite has it."""

    id: str
    record_type: Literal["cashSale", "invoice"]
    account_id: str | None
    exchange_rate: Decimal | None
    lines: Mapping[int, tuple[Decimal, Decimal]]
    """Amount and tax by line of the Sales Order."""


@dataclass(frozen=True, slots=True)
class ForeignCredit:
    """A credit of the order that the pipeline did not make."""

    id: str
    number: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Books:
    """What is in NetSuite of one order, or on its way there."""

    order: SalesOrder | None
    """None where the order has no Sales Order."""
    bills: Sequence[Billed] = ()
    documents: Sequence[RefundDocument] = ()
    """The newest of each claim and kind that was planned or made and still stands."""
    made: frozenset[str] = frozenset()
    """External ids of those that NetSuite has."""
    foreign: Sequence[ForeignCredit] = ()
    received_at: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """When goods of a claim's Return Authorization were received."""
    closed_by_hand: frozenset[str] = frozenset()
    """External ids of Return Authorizations that somebody closed: nothing comes back any more."""

    def own(self, claim: Claim, of: type[Own]) -> Own | None:
        """The claim's own document of that type."""
        found = (one for one in self.documents if isinstance(one, of) and one.claim_id == claim.id)
        return next(found, None)

    def has(self, document: RefundDocument | None) -> bool:
        """Whether NetSuite has a document."""
        return document is not None and document.external_id in self.made

    def entries_of_others(self, claim: Claim) -> list[Entry]:
        """What other claims have taken: their credit, or else their open Return Authorization."""
        credits = {one.claim_id: one for one in self.documents if isinstance(one, Credit)}
        entries: list[Entry] = [one for name, one in credits.items() if name != claim.id]
        entries += [
            one
            for one in self.documents
            if isinstance(one, ReturnAuthorization)
            and one.claim_id != claim.id
            and one.claim_id not in credits
            and not one.is_closed
            and one.external_id not in self.closed_by_hand
        ]
        return entries


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all claims of a shop."""

    shop: Shop
    policy: RefundsAsBilled
    rules: RefundRules
    periods: Periods
    now: datetime
