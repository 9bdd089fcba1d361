"""The nightly job: the lake's small files become few, what crashes left aside goes, and so do old runs
and old webhook events."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG, RuntimeResource, markdown_table

GROUP = "maintenance"
POOL = "maintenance"

GRACE = timedelta(hours=6)
"""Replaced files stay so long: longer than any query, run or open notebook needs them."""

EVENTS_KEPT = timedelta(days=30)
"""Handled webhook events stay so long: longer than TikTok sends one again (T 8.1), and long enough for
a person who asks what was told when."""


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


@dg.op(pool=POOL, tags={"kind": "dagster"})
def forget_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete finished runs of the live flows after a fortnight; each takes 20 to 140 kB (D A.13)."""
    from tiktok_ns_pipeline.maintenance.run_history import delete_old_runs

    deleted = delete_old_runs(context.instance, datetime.now(UTC))
    context.add_output_metadata({"runs_deleted": sum(deleted.values()), **deleted})


@dg.op(pool=POOL)
def forget_old_events(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Delete webhook events that were handled a month ago; what waits stays."""
    deleted = 0
    with runtime.records() as records:
        before = records.ledger.clock.now() - EVENTS_KEPT
        while True:
            with records.ledger.begin() as tx:
                some = tx.inbox.forget_before(before)
            deleted += some
            if not some:
                break
    context.add_output_metadata({"events_deleted": deleted})


@dg.job(executor_def=dg.in_process_executor, tags={MAX_RUNTIME_TAG: "7200"})
def maintenance_job() -> None:
    """Compacts the lake, forgets old runs and old webhook events."""
    compact_lake()
    forget_old_runs()
    forget_old_events()


maintenance_schedule = dg.ScheduleDefinition(
    name="maintenance_schedule",
    job=maintenance_job,
    cron_schedule="40 3 * * *",
    description="Nightly, in UTC.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

defs = dg.Definitions(jobs=[maintenance_job], schedules=[maintenance_schedule])
