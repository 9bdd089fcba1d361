"""What Dagster shows as checks of the stock flow: is the reading new, is every SKU mapped, do the books
balance?

They read our own records. Whether TikTok shows what it should is the business of the proof, which
reads both systems (`reconciliation`).
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import RuntimeResource, check_result, markdown_table

if TYPE_CHECKING:
    from tiktok_ns_pipeline.inventory.mismatches import Mismatches

_SHOWN = 50
_OFFENDERS = 200
_GRACE = 3
"""So many intervals may pass without a reading."""


@dg.asset_check(
    asset="raw_netsuite_inventory",
    description="All stock was read from NetSuite within three intervals of the mapping, and was believed.",
)
def stock_snapshot_fresh(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """The last full reading that was used is young."""
    from tiktok_ns_pipeline.inventory.observing import FULL_CURSOR, STOPPED_CURSOR

    with runtime.records() as records, records.ledger.read() as tx:
        if not any(shop.stock.publishes for shop in records.mapping.shops.values()):
            return check_result("not_run", "the mapping publishes no stock")
        read_at, stopped = tx.cursors.get(FULL_CURSOR), tx.cursors.get(STOPPED_CURSOR)
        every = timedelta(minutes=records.mapping.stock.snapshot_minutes)
    if read_at is None:
        return check_result("not_run", "stock was never read")
    age = datetime.now(UTC) - datetime.fromisoformat(read_at)
    figures = {"age_s": age.total_seconds(), "interval_s": every.total_seconds()}
    if stopped is not None:
        told = "the newest reading of all stock is not believed, and nothing is published: see the exception"
        return check_result("failed", told, metadata=figures)
    if age > _GRACE * every:
        minutes = int(age.total_seconds() // 60)
        return check_result("failed", f"the last reading of all stock is {minutes} min old", metadata=figures)
    return check_result("passed", f"all stock was read {int(age.total_seconds())} s ago", metadata=figures)


@dg.asset_check(
    asset="staged_stock_levels",
    description="Every TikTok SKU has its NetSuite item, and every item with stock at a published Location a "
    "listing.",
)
def sku_mapping_complete(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """The mismatch report, in both directions; the second one only warns."""
    from tiktok_ns_pipeline.inventory.mismatches import mismatches

    with runtime.records() as records:
        found = mismatches(records.ledger, records.lake, records.mapping)
    if not found.listed and not found.stocked:
        return check_result("not_run", "no listing and no stock was read yet")
    if not found.without_item and not found.without_listing:
        told = f"{found.listed} SKUs and {found.stocked} items with stock are each other's"
        return check_result("passed", told)
    return check_result(
        "failed",
        f"SKUs without a NetSuite item: {len(found.without_item)} of {found.listed}; items with stock and "
        f"without a listing: {len(found.without_listing)} of {found.stocked}",
        severity=dg.AssetCheckSeverity.ERROR if found.without_item else dg.AssetCheckSeverity.WARN,
        metadata=_mismatch_metadata(found),
    )


def _mismatch_metadata(found: "Mismatches") -> dict[str, object]:
    offenders = [f"{one.shop}/{one.sku_id}" for one in found.without_item]
    offenders += [f"item {one.item_id}" for one in found.without_listing]
    rows = [
        ("listing without an item", one.shop, one.sku_id, one.seller_sku, one.why)
        for one in found.without_item[:_SHOWN]
    ]
    rows += [
        ("item without a listing", "", one.item_id, one.name, f"{one.available.normalize():f} available")
        for one in found.without_listing[:_SHOWN]
    ]
    return {
        "skus_without_item": len(found.without_item),
        "items_without_listing": len(found.without_listing),
        "number_of_offenders": len(offenders),
        "offenders": dg.MetadataValue.json(offenders[:_OFFENDERS]),
        "table": dg.MetadataValue.md(markdown_table(("what", "shop", "id", "name", "why"), rows)),
    }


@dg.asset_check(
    asset="tiktok_stock_levels",
    description="Double entry holds: every balance is the sum of its movements and of what orders hold.",
)
def stock_positions_balance(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """The invariant of the books of stock."""
    with runtime.records() as records, records.ledger.read() as tx:
        wrong = tx.stock.verify()
        balances = sum(len(tx.stock.of_account(each)) for each in ("netsuite", "uncommitted", "tiktok"))
    if not balances:
        return check_result("not_run", "nothing was booked yet")
    if not wrong:
        return check_result("passed", f"{balances} balances are what their movements sum to")
    rows = [
        (one.key.account, one.key.shop, one.key.sku, one.key.place, one.balance, one.rows, one.summed)
        for one in wrong[:_SHOWN]
    ]
    headings = ("account", "shop", "SKU or item", "place", "balance", "sum", "of")
    return check_result(
        "failed",
        f"{len(wrong)} of {balances} balances are not what their movements sum to",
        metadata={
            "number_of_offenders": len(wrong),
            "table": dg.MetadataValue.md(markdown_table(headings, rows)),
        },
    )
