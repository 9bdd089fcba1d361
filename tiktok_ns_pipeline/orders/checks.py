"""What Dagster shows as checks of the orders flow: is anything held up, and by what?

They read our own records and therefore find only what we know to be held up; what we never saw is
the business of the proof (`reconciliation`). Nothing here has to block: a Sales Order that does not
add up or is not mapped is never sent, it is parked.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import (
    RuntimeResource,
    check_result,
    exceptions_table,
    markdown_table,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger import Transaction
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.ledger.intents import Intent

TOTALS = ("control_total_differs", "contradictory_amounts", "total_differs", "netsuite_differs")
"""Amounts that do not agree: in staging, within TikTok's order, or in NetSuite after saving."""

UNMAPPED = (
    "unmapped_shop",
    "unmapped_sku",
    "ambiguous_sku",
    "inactive_item",
    "unmapped_warehouse",
    "unmapped_tax",
    "unmapped_rate",
    "unmapped_buyer",
    "unroutable_order",
)
"""Decisions that the mapping, or an item in NetSuite, still owes."""

_SHOWN = 50
_OFFENDERS = 200


@dg.asset_check(
    asset="netsuite_sales_orders", description="Every Sales Order is what TikTok owes for its order."
)
def control_totals_hold(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """No order is parked, and no Sales Order stored, with another total than TikTok owes."""
    return _none_open(runtime, TOTALS, good="no total differs", bad="totals that differ")


@dg.asset_check(asset="staged_sales_orders", description="The mapping decides all that the orders ask of it.")
def mapping_complete(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """No order waits for a decision of the mapping."""
    return _none_open(runtime, UNMAPPED, good="nothing is unmapped", bad="decisions that are missing")


@dg.asset_check(
    asset="netsuite_sales_orders",
    description="No order that may be fulfilled waits longer than the mapping's grace for its Sales Order.",
)
def orders_posted_in_time(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Neither sent too late nor parked for too long."""
    from tiktok_ns_pipeline.ledger.facts import SALES_ORDER
    from tiktok_ns_pipeline.orders.planning import STAGING_KINDS

    with runtime.records() as records:
        grace = timedelta(minutes=records.mapping.reconciliation.grace_minutes)
        now = datetime.now(UTC)
        with records.ledger.read() as tx:
            if _is_untouched(tx):
                return check_result("not_run", "no order was read yet")
            late = tx.intents.open_facts(kind=SALES_ORDER, older_than=now - grace)
            parked = [e for e in tx.exceptions.list(kinds=STAGING_KINDS) if e.opened_at <= now - grace]
    offenders = {(i.fact.shop, i.fact.business_key): _late(i) for i in late}
    offenders |= {(e.shop, e.subject.removeprefix("order ")): _parked(e) for e in parked}
    if not offenders:
        return check_result("passed", f"no order waits longer than {grace}")
    rows = sorted((since, shop, order, why) for (shop, order), (since, why) in offenders.items())
    oldest = rows[0][0]
    return check_result(
        "failed",
        f"{len(rows)} orders wait longer than {grace}, the oldest since {oldest:%Y-%m-%d %H:%M}Z",
        metadata={
            "offenders": dg.MetadataValue.json(
                [f"{shop}/{order}" for _since, shop, order, _why in rows[:_OFFENDERS]]
            ),
            "number_of_offenders": len(rows),
            "oldest_pending_s": (now - oldest).total_seconds(),
            "table": dg.MetadataValue.md(
                markdown_table(
                    ("since", "shop", "order", "why"),
                    [(f"{since:%Y-%m-%d %H:%M}Z", *rest) for since, *rest in rows[:_SHOWN]],
                )
            ),
        },
    )


def _none_open(runtime: RuntimeResource, kinds: Sequence[str], *, good: str, bad: str) -> dg.AssetCheckResult:
    """Passed when no exception of these kinds is open."""
    with runtime.records() as records, records.ledger.read() as tx:
        found = tx.exceptions.list(kinds=kinds)
        untouched = _is_untouched(tx)
    if found:
        return check_result(
            "failed",
            f"{len(found)} {bad}",
            metadata={
                "offenders": dg.MetadataValue.json(
                    [f"{e.shop}/{e.subject}: {e.cause}" for e in found[:_OFFENDERS]]
                ),
                "number_of_offenders": len(found),
                "table": dg.MetadataValue.md(exceptions_table(found[:_SHOWN], len(found))),
            },
        )
    if untouched:
        return check_result("not_run", "no order was read yet")
    return check_result("passed", good)


def _is_untouched(tx: "Transaction") -> bool:
    """Whether no order was ever staged: there is nothing that could be wrong."""
    from tiktok_ns_pipeline.ledger.facts import SALES_ORDER

    return tx.links.count(SALES_ORDER) == 0 and tx.intents.oldest_open(SALES_ORDER) is None


def _late(intent: "Intent") -> tuple[datetime, str]:
    return intent.created_at, f"{intent.state}: {intent.last_error or 'not sent yet'}"


def _parked(exception: "OpenException") -> tuple[datetime, str]:
    return exception.opened_at, f"{exception.kind}: {exception.message}"
