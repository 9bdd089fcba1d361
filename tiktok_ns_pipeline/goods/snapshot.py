"""The items of the NetSuite account, read whole from time to time and landed as one snapshot.

Staging resolves SKUs against the newest snapshot; a new snapshot lets orders of unknown SKUs be
staged again.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.lake.tables import ACCOUNT_WIDE, RAW_NETSUITE_ITEMS
from tiktok_ns_pipeline.netsuite.values import to_bool
from tiktok_ns_pipeline.runtime import Runtime

CURSOR = "netsuite:items"

ITEMS = """
SELECT i.id, i.itemid, i.externalid, i.upccode, i.itemtype, i.displayname, i.isinactive
FROM item i
WHERE i.id > {after}
ORDER BY i.id ASC
"""
"""All items with what a SKU may be called by; a keyset query."""


async def ensure_snapshot(runtime: Runtime, run_id: str) -> tuple[str, bool]:
    """The id of the newest snapshot, and whether it was read just now: it is when the last one is older
    than the settings allow."""
    stored = _stored(runtime)
    age = timedelta(seconds=runtime.settings.items_refresh_s)
    if stored is None or runtime.clock.now() - datetime.fromisoformat(stored["read_at"]) >= age:
        return await snapshot_items(runtime, run_id), True
    return stored["snapshot_id"], False


def known_snapshot(runtime: Runtime) -> str | None:
    """The id of the newest snapshot, however old; None before the first."""
    stored = _stored(runtime)
    return stored["snapshot_id"] if stored else None


def _stored(runtime: Runtime) -> dict[str, Any] | None:
    with runtime.ledger.read() as tx:
        return tx.cursors.get(CURSOR)


def snapshot_rows(runtime: Runtime) -> list[dict[str, Any]]:
    """Rows of the newest snapshot."""
    return runtime.lake.current(RAW_NETSUITE_ITEMS)


async def snapshot_items(runtime: Runtime, run_id: str) -> str:
    """Read all items and land them as one snapshot. Returns its id.

    Inactive items are read too: an order of one is a different trouble than an unknown SKU (N 3.2).
    """
    rows = [row async for row in runtime.netsuite.suiteql_keyset(ITEMS, "id", lane="orders")]
    now = runtime.clock.now()
    snapshot_id = uuid.uuid4().hex
    runtime.lake.land(
        RAW_NETSUITE_ITEMS,
        [
            {
                "item_id": row["id"],
                "itemid": row.get("itemid"),
                "externalid": row.get("externalid"),
                "upccode": row.get("upccode"),
                "itemtype": row.get("itemtype"),
                "displayname": row.get("displayname"),
                "isinactive": to_bool(row.get("isinactive")),
                "payload": exact_json.dumps(row),
                "read_at": now,
                "snapshot_id": snapshot_id,
            }
            for row in rows
        ],
        shop=ACCOUNT_WIDE,
        day=now.astimezone(UTC).date(),
        run_id=run_id,
    )
    with runtime.ledger.begin() as tx:
        tx.cursors.set(CURSOR, {"read_at": now.isoformat(), "snapshot_id": snapshot_id, "items": len(rows)})
    return snapshot_id
