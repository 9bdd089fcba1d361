"""Live runs: when a sensor asks for the next run of a flow.

A sensor asks cheaply whether there is work and requests one run when none is waiting or at work. It
has no run keys, which would dedupe for ever and over failures (D A.4), and no cursor: evaluated twice
it says the same, and the watermark belongs to the run. What a look cannot see (a document that shows
up late, behind the watermark) the regular run finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg
from pydantic import Field

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG

if TYPE_CHECKING:
    from tiktok_ns_pipeline.engine.dispatcher import DispatchReport
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.flows.turning import TurnRequest
    from tiktok_ns_pipeline.runtime import Runtime
    from tiktok_ns_pipeline.settings import Settings

FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=30), warn_window=timedelta(minutes=15))
"""A sensor asks for a run every five minutes at the latest; half an hour without one is a fault."""

RETRIES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For a system that is away as the run begins; what happens to a single document never fails the run."""

SHOWN = 20
"""Exceptions that an asset's metadata shows."""

_TAG = "tiktok_ns/live"

REGULARLY = timedelta(minutes=5)
"""Without any hint, a run begins so long after the last one ended."""

AFTER_FAILURE = timedelta(minutes=1)
"""A run that failed will probably fail again at once: the next one waits."""

_BEYOND_BUDGET_S = 300
"""Time to start, to finish what is under way and to check, beyond a run's budget."""

_LOST_AFTER = timedelta(minutes=15)
"""A run that has not ended so long after its longest time never will."""

_SILENT_AFTER = timedelta(minutes=1)
"""From this age on a run that has started must be seen at work in the ledger."""

_AT_WORK = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Patience(NamedTuple):
    """For how long a run goes on while work arrives, and without any."""

    budget_s: float
    idle_s: float


def usual_patience(settings: Settings) -> Patience:
    """That of most flows."""
    return Patience(settings.run_budget_s, settings.idle_s)


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """A flow whose runs follow the work.

    `look` asks whether there is any; it gets the time since the last run ended.
    """

    name: str
    job_name: str
    look: Callable[[Settings, timedelta], Look]
    priority: int = 10
    patience: Callable[[Settings], Patience] = field(default=usual_patience)

    @property
    def tags(self) -> dict[str, str]:
        """Marks the runs that the sensor asked for; a run of a person neither delays nor waits for them."""
        return {_TAG: self.name}


class LiveRun(dg.Config):
    """How long a run goes on and for which shops; all defaults mean «go on from where we were»."""

    shops: list[str] = Field(
        default=[], description="shop codes of the mapping, such as us; empty for all shops"
    )
    budget_seconds: float | None = Field(
        default=None,
        description="go on for so long while work arrives; else TNS_RUN_BUDGET_SECONDS, or that of the flow",
    )
    idle_seconds: float | None = Field(
        default=None, description="end after so long without work; else TNS_IDLE_SECONDS, or that of the flow"
    )


def turn_request(
    config: LiveRun, runtime: Runtime, patience: Callable[[Settings], Patience] = usual_patience
) -> TurnRequest:
    """The run that a person or the sensor asked for. Raises dg.Failure naming the field that is wrong."""
    from tiktok_ns_pipeline.flows.turning import TurnRequest

    usual, known = patience(runtime.settings), runtime.mapping.shops
    if unknown := sorted(set(config.shops) - set(known)):
        raise refused("shops", f"{', '.join(unknown)} is no shop of the mapping ({', '.join(known)})")
    return TurnRequest(
        shops=tuple(config.shops),
        budget_s=usual.budget_s if config.budget_seconds is None else config.budget_seconds,
        idle_s=usual.idle_s if config.idle_seconds is None else config.idle_seconds,
    )


def named_ids(texts: Sequence[str]) -> tuple[str, ...]:
    """Ids as a person typed them: trimmed, each once, empty ones left out."""
    return tuple(dict.fromkeys(text for one in texts if (text := one.strip())))


def refused(field: str, why: str) -> dg.Failure:
    """A field of the run's config that cannot be used; no repetition mends it."""
    return dg.Failure(description=f"Run config, {field}: {why}.", allow_retries=False)


def dispatched(report: DispatchReport) -> dict[str, int]:
    """What the dispatcher met, as metadata of the published asset."""
    return {
        "retried": report.retried,
        "looked_up": report.looked_up,
        "throttled": report.throttled,
        "parked": report.parked,
    }


def live_job(name: str, assets: dg.AssetsDefinition, description: str) -> dg.UnresolvedAssetJobDefinition:
    """The job of a flow: one step in the run's own process (D B.2)."""
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(assets),
        description=description,
        executor_def=dg.in_process_executor,
        tags={MAX_RUNTIME_TAG: "3600"},
    )


def live_sensor(
    flow: LiveFlow, job: dg.UnresolvedAssetJobDefinition, description: str
) -> dg.SensorDefinition:
    """One run when there is work and none is waiting or at work."""

    def evaluate(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return next_run(context, flow)

    return dg.SensorDefinition(
        name=f"{flow.name}_sensor",
        job=job,
        evaluation_fn=evaluate,
        # The daemon comes by every five seconds; a limit of five would let it miss every other time.
        minimum_interval_seconds=2,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )


def next_run(context: dg.SensorEvaluationContext, flow: LiveFlow) -> dg.RunRequest | dg.SkipReason:
    """One run when there is work and none is waiting or at work."""
    runs = context.instance.get_run_records(dg.RunsFilter(job_name=flow.job_name, tags=flow.tags), limit=1)
    last = runs[0] if runs else None
    if last is not None and _is_at_work(last):
        return dg.SkipReason(f"run {last.dagster_run.run_id[:8]} is {last.dagster_run.status.value.lower()}")
    ended = datetime.fromtimestamp(last.end_time, UTC) if last is not None and last.end_time else None
    since_end = datetime.now(UTC) - ended if ended else REGULARLY
    if (
        last is not None
        and last.dagster_run.status is dg.DagsterRunStatus.FAILURE
        and since_end < AFTER_FAILURE
    ):
        return dg.SkipReason(f"the last run failed; the next one begins {AFTER_FAILURE} after it")
    if since_end >= REGULARLY:
        return _live_run(flow, f"regularly, {REGULARLY} after the last run")
    return _looked(flow, since_end)


def _is_at_work(record: dg.RunRecord) -> bool:
    """Whether a run waits or works, as far as one can believe it.

    Dagster never learns of runs that were lost before they started, and late of those that died with
    their container; neither must keep the next one away.
    """
    run = record.dagster_run
    # One that waited for its turn in the queue has only begun to be silent.
    begun = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp
    age = datetime.now(UTC) - begun
    longest = timedelta(seconds=int(run.tags.get(MAX_RUNTIME_TAG, "0"))) + _LOST_AFTER
    if run.status not in _AT_WORK or age >= longest:
        return False
    return run.status is not dg.DagsterRunStatus.STARTED or age < _SILENT_AFTER or _is_anybody_at_work()


def _is_anybody_at_work() -> bool:
    from tiktok_ns_pipeline.flows.looking import is_anybody_at_work
    from tiktok_ns_pipeline.settings import Settings, SettingsError

    try:
        return is_anybody_at_work(Settings.from_environment())
    except SettingsError:
        return True


def _looked(flow: LiveFlow, since_last_run: timedelta) -> dg.RunRequest | dg.SkipReason:
    from tiktok_ns_pipeline.ledger import LedgerError
    from tiktok_ns_pipeline.mapping import MappingError
    from tiktok_ns_pipeline.settings import Settings, SettingsError

    try:
        look = flow.look(Settings.from_environment(), since_last_run)
    except (SettingsError, MappingError, LedgerError) as error:
        return dg.SkipReason(f"cannot look: {error}")
    return _live_run(flow, look.reason) if look.is_due else dg.SkipReason(look.reason)


def _live_run(flow: LiveFlow, reason: str) -> dg.RunRequest:
    from tiktok_ns_pipeline.settings import Settings, SettingsError

    try:
        budget_s = flow.patience(Settings.from_environment()).budget_s
    except SettingsError:
        budget_s = 0.0  # the run will say what is missing
    return dg.RunRequest(
        tags={
            **flow.tags,
            "tiktok_ns/reason": reason[:200],
            "dagster/priority": str(flow.priority),
            MAX_RUNTIME_TAG: str(int(budget_s) + _BEYOND_BUDGET_S),
        }
    )
