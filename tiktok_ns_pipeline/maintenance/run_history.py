"""Which runs Dagster may forget.

Deleting a run erases its part of an asset's history (D A.3), so only runs go that come by the
hundred a day and say nothing that the ledger or the lake does not keep: finished runs of the live
flows. Runs of the proofs stay, and so does everything that failed until a person could look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import dagster as dg

KEPT: Mapping[str, timedelta] = {
    "orders_job": timedelta(days=14),
    "items_job": timedelta(days=14),
    "closures_job": timedelta(days=14),
    "shipments_job": timedelta(days=14),
    "billing_job": timedelta(days=14),
    "stock_job": timedelta(days=14),
    "webhooks_job": timedelta(days=14),
    "maintenance_job": timedelta(days=30),
}
"""How long finished runs of a job are kept."""

FAILURES_KEPT = timedelta(days=90)

_AT_ONCE = 2000
"""Runs deleted in one go, so that the first time on an old instance does not take hours."""


def delete_old_runs(instance: dg.DagsterInstance, now: datetime) -> dict[str, int]:
    """Delete finished runs that are older than they are kept; how many of each job."""
    return {job: _delete(instance, job, now, kept) for job, kept in KEPT.items()}


def _delete(instance: dg.DagsterInstance, job: str, now: datetime, kept: timedelta) -> int:
    successes = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], created_before=now - kept)
    failures = dg.RunsFilter(
        job_name=job,
        statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        created_before=now - max(kept, FAILURES_KEPT),
    )
    old = [
        run_id for which in (successes, failures) for run_id in instance.get_run_ids(which, limit=_AT_ONCE)
    ]
    for run_id in old:
        instance.delete_run(run_id)
    return len(old)
