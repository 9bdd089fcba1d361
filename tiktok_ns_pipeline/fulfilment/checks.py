"""What Dagster shows as checks of the shipments flow: does everything leave in time?

It reads what TikTok said of orders, so it also sees what no Item Fulfillment was ever made for. It
warns before a deadline is missed; afterwards only the counting is left.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import RuntimeResource, check_result, markdown_table

if TYPE_CHECKING:
    from tiktok_ns_pipeline.fulfilment.deadlines import Pressing, Punctuality

_SHOWN = 50
_OFFENDERS = 200


@dg.asset_check(
    asset="tiktok_shipments",
    description="No order is near its dispatch deadline unshipped; warns before TikTok counts it as late.",
)
def dispatch_on_time(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Orders by the time left until TikTok counts them as late, and the rate that would follow."""
    from tiktok_ns_pipeline.fulfilment.deadlines import punctuality
    from tiktok_ns_pipeline.fulfilment.missed import orders_with_deadlines

    with runtime.records() as records:
        rules = records.mapping.fulfilment
        now = datetime.now(UTC)
        window = timedelta(days=rules.late_rate_window_days)
        found = punctuality(
            orders_with_deadlines(records.lake, list(records.mapping.shops.values()), now, window=window),
            now,
            warning=timedelta(hours=rules.dispatch_warning_hours),
            window=window,
        )
    if not found.looked_at:
        return check_result("not_run", "no order has a dispatch deadline")
    rate = f"late dispatches within {window.days} days would be {found.late_rate:.1%}"
    if not found.pressing:
        return check_result("passed", f"no deadline is near; {rate}", metadata=_figures(found))
    first = found.pressing[0]
    return check_result(
        "failed",
        f"{len(found.pressing)} orders are unshipped near their deadline ({found.overdue} past it), the "
        f"first of shop {first.shop} by {first.dispatch_by:%Y-%m-%d %H:%M}Z; {rate}",
        severity=dg.AssetCheckSeverity.ERROR if found.overdue else dg.AssetCheckSeverity.WARN,
        metadata={
            **_figures(found),
            "offenders": dg.MetadataValue.json(
                [f"{each.shop}/{each.order_id}" for each in found.pressing[:_OFFENDERS]]
            ),
            "table": dg.MetadataValue.md(
                markdown_table(
                    ("time left", "deadline", "shop", "order"),
                    [_row(each, now) for each in found.pressing[:_SHOWN]],
                )
            ),
        },
    )


def _figures(found: "Punctuality") -> dict[str, float]:
    return {
        "pressing": len(found.pressing),
        "overdue": found.overdue,
        "projected_late_rate": round(found.late_rate, 4),
        "orders_counted": found.counted,
    }


def _row(each: "Pressing", now: datetime) -> tuple[str, str, str, str]:
    minutes = int((each.dispatch_by - now).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    left = f"{'-' if minutes < 0 else ''}{hours}:{rest:02}"
    return left, f"{each.dispatch_by:%Y-%m-%d %H:%M}Z", each.shop, each.order_id
