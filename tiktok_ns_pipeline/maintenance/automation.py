"""The nightly job: the lake's small files become few, what crashes left aside goes, and so do old runs,
old webhook events, what was posted and pushed of stock long ago, and what an older proof of a day said."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG, RuntimeResource, markdown_table

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger import Ledger, Transaction

GROUP = "maintenance"
POOL = "maintenance"

GRACE = timedelta(hours=6)
"""Replaced files stay so long: longer than any query, run or open notebook needs them."""

EVENTS_KEPT = timedelta(days=30)
"""Handled webhook events stay so long: longer than TikTok sends one again (T 8.1), and long enough for
a person who asks what was told when."""

PROOFS_KEPT = timedelta(days=35)
"""So long a day can be reopened as each of its proofs saw it: beyond the close of the month before. After
that its last proof stays, and every proof's statement."""

STOCK_KEPT = timedelta(days=35)
"""Movements of stock and pushes stay so long one by one: beyond the close of the month before."""

_KEYS_AT_ONCE = 200
"""Keys rolled up in one transaction, for which whoever posts waits."""


@dg.op(pool=POOL, tags={"kind": "duckdb"})
def compact_lake(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Put the small files of each table and day together; every landing made one."""
    done: list[tuple[str, int, int, int]] = []
    with runtime.records() as records:
        for table in records.lake.tables_present():
            result = records.lake.compact(table, GRACE)
            done.append((table.name, result.merged, result.written, result.removed))
        swept = records.lake.sweep()
    context.add_output_metadata(
        {
            "files_merged": sum(merged for _table, merged, _written, _removed in done),
            "files_written": sum(written for _table, _merged, written, _removed in done),
            "files_removed": sum(removed for _table, _merged, _written, removed in done),
            "leftovers_swept": swept,
            "tables": dg.MetadataValue.md(markdown_table(("table", "merged", "written", "removed"), done)),
        }
    )


@dg.op(pool=POOL, tags={"kind": "duckdb"})
def forget_old_proofs(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Delete proofs of a day, and other listings, that a later one replaced as a whole a month ago."""
    with runtime.records() as records:
        removed = {
            table.name: records.lake.forget_replaced(table, PROOFS_KEPT)
            for table in records.lake.tables_present()
        }
    context.add_output_metadata(
        {
            "files_removed": sum(removed.values()),
            **{name: files for name, files in removed.items() if files},
        }
    )


@dg.op(pool=POOL, tags={"kind": "dagster"})
def forget_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete finished runs of the live flows after a fortnight; each takes 20 to 140 kB (D A.13)."""
    from tiktok_ns_pipeline.maintenance.run_history import delete_old_runs

    deleted = delete_old_runs(context.instance, datetime.now(UTC))
    context.add_output_metadata({"runs_deleted": sum(deleted.values()), **deleted})


@dg.op(pool=POOL)
def forget_old_events(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Delete webhook events that were handled a month ago; what waits stays."""
    with runtime.records() as records:
        before = records.ledger.clock.now() - EVENTS_KEPT
        deleted = _until_done(records.ledger, lambda tx: tx.inbox.forget_before(before))
    context.add_output_metadata({"events_deleted": deleted})


@dg.op(pool=POOL)
def forget_old_stock(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Roll old movements of stock up to one row for each balance; delete old pushes but the newest."""
    from tiktok_ns_pipeline.ledger.facts import STOCK_LEVEL

    with runtime.records() as records:
        before = records.ledger.clock.now() - STOCK_KEPT
        rolled_up = _until_done(records.ledger, lambda tx: tx.stock.roll_up(before, limit=_KEYS_AT_ONCE))
        deleted = _until_done(records.ledger, lambda tx: tx.intents.forget_before(before, STOCK_LEVEL))
    context.add_output_metadata({"movements_rolled_up": rolled_up, "pushes_deleted": deleted})


def _until_done(ledger: "Ledger", some: Callable[["Transaction"], int]) -> int:
    """Do some of a thing in a transaction of its own, until nothing of it is left; how much it was."""
    done = 0
    while True:
        with ledger.begin() as tx:
            now = some(tx)
        done += now
        if not now:
            return done


@dg.job(executor_def=dg.in_process_executor, tags={MAX_RUNTIME_TAG: "7200"})
def maintenance_job() -> None:
    """Compacts the lake, forgets old proofs, old runs, old webhook events and old movements of stock."""
    compact_lake()
    forget_old_proofs()
    forget_old_runs()
    forget_old_events()
    forget_old_stock()


maintenance_schedule = dg.ScheduleDefinition(
    name="maintenance_schedule",
    job=maintenance_job,
    cron_schedule="40 3 * * *",
    description="Nightly, in UTC.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

defs = dg.Definitions(jobs=[maintenance_job], schedules=[maintenance_schedule])
