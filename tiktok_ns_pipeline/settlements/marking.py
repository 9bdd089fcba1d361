"""How far the money of a shop was looked at, as the ledger keeps it.

What was decided is decided again only when something that it was made from changes. A statement stays in
sight until its payment has ended, its document is in NetSuite, and nobody has to look at it any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import PAYOUT_JOURNAL
from tiktok_ns_pipeline.mapping import Mapping as Decisions
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.settlements.landed import LandedPayment, LandedStatement
from tiktok_ns_pipeline.settlements.observing import LOOKED_BACK
from tiktok_ns_pipeline.settlements.planning import PAYOUT, STATEMENT, Decided


@dataclass(frozen=True, slots=True)
class ShopMark:
    """How far a shop was looked at, as the ledger keeps it."""

    policy: str = ""
    begun_on: date | None = None
    """First UTC day of the statements that are posted."""
    read_at: datetime | None = None
    """When TikTok was asked last."""
    open_since: date | None = None
    """UTC day of the oldest statement that is not dealt with."""
    decided: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version by subject of what was decided and can still change."""
    to_pay: tuple[str, ...] = ()
    """Payments whose Invoices and Credit Memos are not all settled out of clearing."""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> ShopMark:
        """As it is stored; a blank one where nothing is."""
        if not stored:
            return cls()
        return cls(
            policy=stored["policy"],
            begun_on=_day(stored["begun_on"]),
            read_at=datetime.fromisoformat(stored["read_at"]) if stored["read_at"] else None,
            open_since=_day(stored["open_since"]),
            decided=stored["decided"],
            to_pay=tuple(stored["to_pay"]),
        )

    def stored(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "policy": self.policy,
            "begun_on": self.begun_on.isoformat() if self.begun_on else None,
            "read_at": self.read_at.isoformat() if self.read_at else None,
            "open_since": self.open_since.isoformat() if self.open_since else None,
            "decided": dict(sorted(self.decided.items())),
            "to_pay": list(self.to_pay),
        }


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def mark_name(shop_code: str) -> str:
    """The cursor that keeps a shop's mark."""
    return f"settlements:{shop_code}:mark"


def policy_fingerprint(mapping: Decisions, shop: Shop) -> str:
    """Changes when a decision changes that makes the documents of this shop's payouts what they are."""
    return exact_json.fingerprint(
        [
            shop.settlement.model_dump(),
            mapping.settlements.model_dump(),
            shop.exchange_rate.model_dump(),
            shop.subsidiary_id,
            shop.department_id,
            shop.class_id,
            shop.currency_id,
        ]
    )


def mark_after(
    tx: Transaction,
    shop: Shop,
    mark: ShopMark,
    kept: Sequence[Decided],
    statements: Sequence[LandedStatement],
    payments: Sequence[LandedPayment],
    today: date,
) -> ShopMark:
    """The mark once `kept` was stored; `statements` and `payments` are all that are in sight."""
    versions = {one.subject: one.version for one in kept if one.outcome != "waiting"}
    in_sight = {f"{STATEMENT}{one.id}" for one in statements} | {f"{PAYOUT}{one.id}" for one in payments}
    decided = {key: version for key, version in {**mark.decided, **versions}.items() if key in in_sight}
    # Whoever waits for a person, or to be sent, is not dealt with.
    troubled = {one.subject for one in tx.exceptions.list(shop=shop.code)}
    unsent = {
        str(one.payload["payment_id"] or one.fact.business_key)
        for one in tx.intents.open_facts(kind=PAYOUT_JOURNAL, shop=shop.code)
    }
    done = {
        one.id
        for one in payments
        if one.status == "PAID"
        and f"{PAYOUT}{one.id}" in decided
        and f"{PAYOUT}{one.id}" not in troubled
        and one.id not in unsent
    }
    open_days = [
        one.day
        for one in statements
        if one.payment_id not in done
        or f"{STATEMENT}{one.id}" in troubled
        or f"{STATEMENT}{one.id}" not in decided
        or one.id in unsent
    ]
    staged = [one.key for one in kept if one.payment_id and one.journals]
    return replace(
        mark,
        decided=decided,
        open_since=min([*open_days, today - LOOKED_BACK]),
        to_pay=tuple(dict.fromkeys([*mark.to_pay, *staged])),
    )
