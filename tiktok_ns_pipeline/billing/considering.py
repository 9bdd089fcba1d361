"""What is to be done about a fulfilment, given what the ledger knows of its bill. Pure.

- *settled*: nothing; it is billed, being billed, or parked as it is;
- *skipped*: it shipped before billing began;
- *withdrawn*: it does not stand as shipped, so a bill that was not sent must not be;
- *waiting*: its bill is under way, or another of its order comes first;
- *parked*: it was billed and stands no longer, or not as billed: a person decides;
- *to stage*: it needs a bill.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.billing.document import Fulfilment
from tiktok_ns_pipeline.billing.staging import BILL_DIFFERS, UNBILLABLE, Problem
from tiktok_ns_pipeline.ledger.intents import OPEN, UNDER_WAY, Intent, IntentState
from tiktok_ns_pipeline.mapping import Shop

BILLED_AND_NOT_SHIPPED = (UNBILLABLE, "billed_and_not_shipped")
"""Kind and cause of an exception about a bill that was made and should not be."""

Verdict = Literal["settled", "skipped", "withdrawn", "waiting", "parked", "to stage"]


@dataclass(frozen=True, slots=True)
class Considered:
    """What is to be done about one fulfilment."""

    fulfilment: Fulfilment
    verdict: Verdict
    reason: str = ""
    problem: Problem | None = None


def policy_fingerprint(shop: Shop) -> str:
    """Changes when a decision changes that makes bills of this shop what they are."""
    return exact_json.fingerprint([shop.billing.model_dump(), shop.currency_id])


def basis_of(fulfilment: Fulfilment, shop: Shop) -> dict[str, Any]:
    """What a bill is made from, kept with its intent: while it is the same, the bill stands."""
    return {
        "shipped": fulfilment.shipped,
        "shipped_on": fulfilment.shipped_on.isoformat(),
        "filed_under": fulfilment.filed_under.isoformat(),
        "policy": policy_fingerprint(shop),
    }


def consider(
    fulfilment: Fulfilment,
    intent: Intent | None,
    shop: Shop,
    begun_on: date,
    orders_under_way: Mapping[str, Collection[str]],
    *,
    again: bool = False,
    once_more: bool = False,
) -> Considered:
    """What is to be done. `intent` is the newest revision of its bill, `orders_under_way` the keys of
    bills by order that were planned and have not ended; `again` when it is to be staged in any case,
    `once_more` when its bill was deleted and finance wants it back."""
    is_billed = intent is not None and intent.state == IntentState.APPLIED
    if intent is not None and is_billed and not (once_more and fulfilment.stands_as_shipped):
        return _billed(fulfilment, intent)
    if intent is not None and intent.state in UNDER_WAY:
        return Considered(fulfilment, "waiting", "its bill is under way")
    nothing_to_bill = _not_to_be_billed(fulfilment, begun_on)
    if nothing_to_bill is not None:
        return nothing_to_bill
    stands = (
        intent is not None and intent.state in OPEN and intent.payload["basis"] == basis_of(fulfilment, shop)
    )
    if stands and not again:
        return Considered(fulfilment, "settled")
    others = set(orders_under_way.get(fulfilment.order_id, ())) - {fulfilment.fact.business_key}
    if others:
        return Considered(fulfilment, "waiting", f"bill {min(others)} of the same order comes first")
    return Considered(fulfilment, "to stage")


def _not_to_be_billed(fulfilment: Fulfilment, begun_on: date) -> Considered | None:
    if not fulfilment.stands_as_shipped:
        return Considered(fulfilment, "withdrawn", "it does not stand as shipped")
    if fulfilment.shipped_on < begun_on:
        reason = f"shipped on {fulfilment.shipped_on}, before billing began on {begun_on}"
        return Considered(fulfilment, "skipped", reason)
    return None


def _billed(fulfilment: Fulfilment, intent: Intent) -> Considered:
    """A bill that was made stays; whether it should, a person decides."""
    if not fulfilment.stands_as_shipped:
        how = "was deleted" if fulfilment.is_gone else "was taken back from shipped"
        return Considered(
            fulfilment,
            "parked",
            problem=Problem(
                *BILLED_AND_NOT_SHIPPED,
                f"{fulfilment.name} {how} after it was billed as {_bill_of(intent)}: billed, but no longer "
                "shipped. Void the bill or credit it.",
            ),
        )
    if intent.payload["basis"]["shipped"] != fulfilment.shipped:
        return Considered(
            fulfilment,
            "parked",
            problem=Problem(
                BILL_DIFFERS,
                "shipped_quantity",
                f"{fulfilment.name} was changed after it was billed as {_bill_of(intent)}: it ships "
                f"{_told(fulfilment.shipped)}, billed was {_told(intent.payload['basis']['shipped'])}.",
            ),
        )
    return Considered(fulfilment, "settled")


def _bill_of(intent: Intent) -> str:
    return str(intent.payload["bill"]["external_id"])


def _told(shipped: Mapping[str, str]) -> str:
    return ", ".join(f"{quantity} of line {line}" for line, quantity in shipped.items()) or "nothing"
