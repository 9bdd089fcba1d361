"""Makes Dagster's instance ready before its daemon starts; a program of its own, as importing Dagster
takes a second that others need not wait for.

Pools get their limits, which no file can give them. The run that ended with the last demo is no failure,
after which the sensor would wait; one that a killed demo left as if it were going on would even keep the
sensor from ever asking for another one. Both become canceled runs.
"""

from __future__ import annotations

import dagster as dg

from tiktok_ns_pipeline.dagster_support import STOPPED, ensure_pools

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

_LATEST = 3
"""As many runs as can go on at once."""


def main() -> None:
    """Make the instance of DAGSTER_HOME ready."""
    with dg.DagsterInstance.get() as instance:
        ensure_pools(instance)
        for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
            instance.report_run_canceled(run, message="the demo was stopped")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=_LATEST):
            if _was_stopped(instance, run.run_id):
                instance.report_run_canceled(run, message="the demo was stopped")


def _was_stopped(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the run failed only because it was told to end."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    failures = [entry.dagster_event.step_failure_data for entry in entries if entry.dagster_event]
    told = [failure.user_failure_data for failure in failures if failure.user_failure_data]
    return any(failure.description == STOPPED for failure in told)


if __name__ == "__main__":
    main()
