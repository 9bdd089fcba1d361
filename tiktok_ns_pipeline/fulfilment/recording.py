"""Record: what TikTok accepted becomes a row of `tiktok_shipments`, once for each revision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tiktok_ns_pipeline.fulfilment.documents import CHANNEL, ShipmentDocument
from tiktok_ns_pipeline.lake.tables import TIKTOK_SHIPMENTS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.runtime import Runtime

_BATCH = 500


def record_accepted(runtime: Runtime, run_id: str) -> int:
    """Land parcels that were accepted since the last time. Returns how many."""
    with runtime.ledger.read() as tx:
        links = tx.links.not_read_back(SHIPMENT, limit=_BATCH)
        told = [(link, intent) for link in links if (intent := _told(tx, link)) is not None]
    if not links:
        return 0
    by_shop: dict[str, list[dict[str, Any]]] = {}
    for link, intent in told:
        row = _row(runtime, link, intent)
        by_shop.setdefault(link.fact.shop, []).append(row)
    for shop, rows in by_shop.items():
        runtime.lake.land_many(TIKTOK_SHIPMENTS, rows, shop=shop, run_id=run_id)
    with runtime.ledger.begin() as tx:
        tx.links.read_back(links)
    return len(told)


def seconds_to_acceptance(runtime: Runtime, within: timedelta) -> list[float]:
    """From saving in NetSuite to acceptance, of the parcels first told of late, ascending."""
    now = runtime.clock.now()
    since = now - within
    # No shop's day is further from UTC's than the one before or after it.
    first, last = since.date() - timedelta(days=1), now.date() + timedelta(days=1)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return sorted(
        (row["accepted_at"] - row["saved_at"]).total_seconds()
        for shop in runtime.mapping.shops
        for row in runtime.lake.current(
            TIKTOK_SHIPMENTS,
            "accepted_at >= ? AND revision = 1",
            [since],
            shop=shop,
            days=days,
            columns=("saved_at", "accepted_at"),
        )
    )


def _told(tx: Transaction, link: Link) -> Intent | None:
    """The revision that TikTok accepted: the one whose hash the link carries."""
    history = tx.intents.history(link.fact)
    return next((one for one in reversed(history) if one.payload_hash == link.payload_hash), None)


def _row(runtime: Runtime, link: Link, intent: Intent) -> dict[str, Any]:
    document = ShipmentDocument.model_validate(intent.payload)
    accepted_at = link.written_at or intent.updated_at
    shop = runtime.mapping.shops.get(link.fact.shop)
    return {
        "channel": CHANNEL,
        "day": (accepted_at.astimezone(shop.zone) if shop else accepted_at).date(),
        "shipment": document.key,
        "order_id": document.order_id,
        "fulfilment_id": document.fulfilment_id,
        "package_id": link.internal_id if link.internal_id != document.order_id else None,
        "tracking": document.tracking,
        "carrier": document.carrier,
        "units": ",".join(document.unit_ids),
        "revision": link.version,
        "saved_at": document.saved_at,
        "accepted_at": accepted_at,
    }
