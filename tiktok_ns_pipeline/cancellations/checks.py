"""What Dagster shows as checks of the closures flow: which buyers wait for an answer, and how long still?"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import RuntimeResource, check_result, markdown_table, time_left

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger.exceptions import OpenException

_SHOWN = 50


@dg.asset_check(
    asset="netsuite_order_closures",
    description="Every buyer who asked to cancel has an answer; TikTok approves what nobody answers in time.",
)
def cancellation_requests_answered(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """No request waits for a person. Warns with the time left, the least first."""
    from tiktok_ns_pipeline.cancellations.planning import REQUESTED

    with runtime.records() as records, records.ledger.read() as tx:
        waiting = tx.exceptions.list(kinds=(REQUESTED,))
        ever = waiting or tx.exceptions.list(states=(), kinds=(REQUESTED,), limit=1)
    if not ever:
        return check_result("not_run", "no buyer ever asked to cancel")
    if not waiting:
        return check_result("passed", "every request is answered")
    now = datetime.now(UTC)
    return check_result(
        "failed",
        f"requests that wait for an answer: {len(waiting)}; time left for the first: "
        f"{_left(waiting[0], now)}",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "offenders": dg.MetadataValue.json([f"{one.shop}/{one.subject}" for one in waiting[:_SHOWN]]),
            "number_of_offenders": len(waiting),
            "table": dg.MetadataValue.md(
                markdown_table(
                    ("time left", "until", "shop", "request", "what is asked"),
                    [
                        (_left(one, now), _until(one), one.shop, one.subject, one.message)
                        for one in waiting[:_SHOWN]
                    ],
                )
            ),
        },
    )


def _left(request: "OpenException", now: datetime) -> str:
    """How long a request may still be answered; `none` once TikTok decides."""
    return time_left(request.due_at or now, now)


def _until(request: "OpenException") -> str:
    return f"{request.due_at:%Y-%m-%d %H:%M}Z" if request.due_at else ""
