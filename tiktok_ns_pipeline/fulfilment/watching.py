"""Which fulfilments are read again by id: those whose story is not over.

That is: not shipped yet; shipped without a tracking number; with a parcel that TikTok does not know of
yet; or told within the time in which TikTok takes a corrected number (T 4.2). What is settled is read
again in every tenth cycle only, since NetSuite's concurrency is scarce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.fulfilment.documents import shipment_key
from tiktok_ns_pipeline.fulfilment.planning import shipment_fact
from tiktok_ns_pipeline.ledger.intents import FactKey, IntentState
from tiktok_ns_pipeline.runtime import Runtime

CORRECTABLE_FOR = timedelta(hours=72)

_CYCLES_OF_SETTLED = 10
_UNSETTLED_FOR = timedelta(hours=1)
_ENDED = frozenset({IntentState.APPLIED, IntentState.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class Watched:
    """Ids to read again, and the orders, by shop and order id, that wait for a number or the rest of a
    unit: a time may be over."""

    ids: tuple[str, ...]
    waiting_orders: frozenset[tuple[str, str]]


def watched(runtime: Runtime, rows: Sequence[Mapping[str, Any]], cycle: int) -> Watched:
    """Those of the landed fulfilments that may change unseen, for the cycle of that number."""
    now = runtime.clock.now()
    since = now - timedelta(days=runtime.mapping.fulfilment.watch_days)
    candidates = [row for row in rows if not row["gone"] and row["modified_at"] >= since]
    facts = {row["fulfilment_id"]: _facts(row) for row in candidates}
    with runtime.ledger.read() as tx:
        newest = tx.intents.newest(fact for each in facts.values() for fact in each)
    settled_for = CORRECTABLE_FOR if cycle % _CYCLES_OF_SETTLED == 0 else _UNSETTLED_FOR
    ids: list[str] = []
    waiting: set[tuple[str, str]] = set()
    for row in candidates:
        intents = [newest[fact] for fact in facts[row["fulfilment_id"]] if fact in newest]
        standing = [one for one in intents if one.state != IntentState.SUPERSEDED]
        if row["status"] == "C" and not standing:
            waiting.add((row["shop"], row["order_id"]))
        if not standing or any(
            one.state not in _ENDED or one.updated_at >= now - settled_for for one in standing
        ):
            ids.append(row["fulfilment_id"])
    return Watched(tuple(ids), frozenset(waiting))


def _facts(row: Mapping[str, Any]) -> list[FactKey]:
    """One for each tracking number, and one where there is none yet."""
    parcels = max(1, len(exact_json.loads(row["tracking"])))
    return [
        shipment_fact(row["shop"], shipment_key(row["order_id"], row["fulfilment_id"], number))
        for number in range(1, parcels + 1)
    ]
