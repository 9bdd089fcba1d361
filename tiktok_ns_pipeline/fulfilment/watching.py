"""Which fulfilments are read again by id: those whose story is not over.

That is: not shipped yet; shipped without a tracking number; with a parcel that TikTok does not know of
yet; or told within the time in which TikTok takes a corrected number (T 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tiktok_ns_pipeline.fulfilment.documents import fulfilment_of
from tiktok_ns_pipeline.fulfilment.planning import facts_of
from tiktok_ns_pipeline.ledger.intents import FactKey, IntentState
from tiktok_ns_pipeline.runtime import Runtime

CORRECTABLE_FOR = timedelta(hours=72)

_ENDED = frozenset({IntentState.APPLIED, IntentState.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class Watched:
    """Ids to read again, and orders by (shop, order id)."""

    ids: tuple[str, ...]
    orders: frozenset[tuple[str, str]]
    waiting_orders: frozenset[tuple[str, str]]
    """Those that wait for a tracking number or the rest of a unit: a time may be over."""


def watched(runtime: Runtime, rows: Sequence[Mapping[str, Any]]) -> Watched:
    """Those of the landed fulfilments that may change unseen."""
    since = runtime.clock.now() - timedelta(days=runtime.mapping.fulfilment.watch_days)
    recent = [row for row in rows if not row["gone"] and row["modified_at"] >= since]
    facts = {row["fulfilment_id"]: found for row in recent if (found := _facts(row)) is not None}
    candidates = [row for row in recent if row["fulfilment_id"] in facts]
    if not candidates:
        return Watched((), frozenset(), frozenset())
    with runtime.ledger.read() as tx:
        newest = tx.intents.newest(fact for each in facts.values() for fact in each)
    young = runtime.clock.now() - CORRECTABLE_FOR
    open_rows: list[Mapping[str, Any]] = []
    waiting: set[tuple[str, str]] = set()
    for row in candidates:
        intents = [newest[fact] for fact in facts[row["fulfilment_id"]] if fact in newest]
        standing = [one for one in intents if one.state != IntentState.SUPERSEDED]
        if row["status"] == "C" and not standing:
            waiting.add((row["shop"], row["order_id"]))
        if not standing or any(one.state not in _ENDED or one.updated_at >= young for one in standing):
            open_rows.append(row)
    return Watched(
        tuple(row["fulfilment_id"] for row in open_rows),
        frozenset((row["shop"], row["order_id"]) for row in open_rows),
        frozenset(waiting),
    )


def _facts(row: Mapping[str, Any]) -> list[FactKey] | None:
    """The facts that it can have; None of what TikTok's own warehouse ships, which tells nothing."""
    try:
        fulfilment = fulfilment_of(row)
    except (ValueError, KeyError, TypeError):
        return []  # its exception is open; it is read again until it can be read
    return None if fulfilment.is_of_channel else facts_of(row["shop"], row["order_id"], [fulfilment])
