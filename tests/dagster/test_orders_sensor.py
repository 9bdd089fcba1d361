"""The sensor against a real instance, a real ledger and a sandbox over loopback.

One stage serves all tests; each leaves it quiet: nothing is due.
"""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from tests.dagster.stage import Stage, enter
from tiktok_ns_pipeline import live_runs
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.leases import SlotLease
from tiktok_ns_pipeline.orders.automation import LIVE, orders_sensor
from tiktok_ns_pipeline.sandbox.faults import FaultKind

JOB = defs.resolve_job_def("orders_job")


def evaluate(instance: dg.DagsterInstance) -> tuple[dict[str, str] | None, str]:
    """Tags of the run that the sensor asks for, and why it does or does not ask."""
    with dg.build_sensor_context(instance=instance) as context:
        tick = orders_sensor.evaluate_tick(context)
    if not tick.run_requests:
        return None, tick.skip_message or ""
    (request,) = tick.run_requests
    assert request.run_key is None
    return dict(request.tags), request.tags["tiktok_ns/reason"]


def run_live(instance: dg.DagsterInstance) -> None:
    assert JOB.execute_in_process(instance=instance, tags=LIVE.tags).success


@pytest.fixture(scope="module")
def after_a_run(on_stage: Stage, instance: dg.DagsterInstance) -> Stage:
    on_stage.place()
    run_live(instance)
    return on_stage


@pytest.fixture
def untouched() -> Iterator[dg.DagsterInstance]:
    """An instance that never ran anything."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def test_without_any_run_before_one_is_asked_for(on_stage: Stage, untouched: dg.DagsterInstance):
    tags, reason = evaluate(untouched)
    assert tags is not None
    assert "regularly" in reason
    assert LIVE.tags.items() <= tags.items()
    assert int(tags["dagster/max_runtime"]) > on_stage.settings.run_budget_s


def test_nothing_new_is_no_work(after_a_run: Stage, instance: dg.DagsterInstance):
    tags, reason = evaluate(instance)
    assert tags is None
    assert "shop us: nothing changed since" in reason
    assert "shop vn: nothing changed since" in reason


def test_a_new_order_is_work_and_asking_twice_says_the_same(after_a_run: Stage, instance: dg.DagsterInstance):
    time.sleep(1.1)  # an update_time is a whole second
    after_a_run.place(shop="uk")
    first, second = evaluate(instance), evaluate(instance)
    assert first == second
    assert first[0] is not None
    assert "shop uk: an order changed at" in first[1]
    run_live(instance)
    assert evaluate(instance)[0] is None


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_no_second_run_while_one_waits_or_works(on_stage: Stage, untouched: dg.DagsterInstance, status: str):
    run = untouched.create_run_for_job(JOB, status=dg.DagsterRunStatus(status), tags=LIVE.tags)
    assert evaluate(untouched) == (None, f"run {run.run_id[:8]} is {status.lower()}")


def test_a_run_that_got_lost_keeps_the_next_one_away_for_a_while_only(
    on_stage: Stage, untouched: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    tags = {**LIVE.tags, "dagster/max_runtime": "0"}
    untouched.create_run_for_job(JOB, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
    assert evaluate(untouched)[0] is None
    monkeypatch.setattr(live_runs, "_LOST_AFTER", timedelta(0))
    assert evaluate(untouched)[0] is not None


def test_a_run_that_died_unnoticed_is_followed_by_another_one(
    after_a_run: Stage, untouched: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    untouched.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED, tags=LIVE.tags)
    assert evaluate(untouched)[0] is None
    monkeypatch.setattr(live_runs, "_SILENT_AFTER", timedelta(0))
    assert evaluate(untouched)[0] is not None
    alive = SlotLease("another process", 1, {}, datetime.now(UTC) + timedelta(seconds=6))
    with after_a_run.ledger() as ledger, ledger.begin() as tx:
        tx.leases.save("netsuite", alive)
    assert evaluate(untouched)[0] is None
    with after_a_run.ledger() as ledger, ledger.begin() as tx:
        tx.leases.drop("netsuite", "another process")


def test_a_run_that_waited_long_in_the_queue_is_not_taken_for_dead_when_it_starts(
    on_stage: Stage, untouched: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live_runs, "_SILENT_AFTER", timedelta(seconds=2))
    run = untouched.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTING, tags=LIVE.tags)
    time.sleep(2)
    untouched.report_dagster_event(
        dg.DagsterEvent("PIPELINE_START", job_name=JOB.name, message="begun"), run.run_id
    )
    assert evaluate(untouched) == (None, f"run {run.run_id[:8]} is started")


def test_a_run_of_a_person_does_not_hold_up_the_live_one(on_stage: Stage, untouched: dg.DagsterInstance):
    untouched.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    assert evaluate(untouched)[0] is not None


def test_after_a_failure_the_next_run_waits(
    after_a_run: Stage, untouched: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    run = untouched.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED, tags=LIVE.tags)
    untouched.report_run_failed(run)
    assert evaluate(untouched) == (None, "the last run failed; the next one begins 0:01:00 after it")
    monkeypatch.setattr(live_runs, "AFTER_FAILURE", timedelta(0))
    assert "nothing changed" in evaluate(untouched)[1]


def test_regularly_a_run_looks_for_what_a_look_cannot_see(
    after_a_run: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    assert evaluate(instance)[0] is None
    monkeypatch.setattr(live_runs, "REGULARLY", timedelta(0))
    tags, reason = evaluate(instance)
    assert tags is not None
    assert "regularly" in reason


def test_a_replay_that_somebody_asked_for_is_work(after_a_run: Stage, instance: dg.DagsterInstance):
    new = NewException(
        "unmapped_sku", "tiktok", "us", "order 1", "sku:X", "SKU X", "map it", "operations", "error"
    )
    with after_a_run.ledger() as ledger, ledger.begin() as tx:
        number = tx.exceptions.open(new)
        tx.exceptions.request_replay([number], "somebody")
    assert evaluate(instance)[1] == "somebody asked for a replay"
    with after_a_run.ledger() as ledger, ledger.begin() as tx:
        tx.exceptions.resolve(number, "it was only a test", "somebody")
    assert evaluate(instance)[0] is None


def test_another_mapping_is_work(
    after_a_run: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    mapping = after_a_run.settings.mapping_path.read_text().replace("limit: 9500", "limit: 9000", 1)
    (tmp_path / "mapping.yaml").write_text(mapping)
    monkeypatch.setenv("TNS_MAPPING", str(tmp_path / "mapping.yaml"))
    assert evaluate(instance)[1] == "the mapping changed"


def test_a_mapping_that_cannot_be_read_is_told(
    after_a_run: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    monkeypatch.setenv("TNS_MAPPING", str(tmp_path / "nowhere.yaml"))
    tags, reason = evaluate(instance)
    assert tags is None
    assert reason.startswith("cannot look: ")


def test_an_unreachable_tiktok_is_named_and_costs_no_time(
    after_a_run: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    enter(monkeypatch, {**after_a_run.environment, "TNS_TIKTOK_API_URL": "http://127.0.0.1:9"})
    began = time.monotonic()
    tags, reason = evaluate(instance)
    assert time.monotonic() - began < 1
    assert tags is None
    assert "shop us" in reason
    assert "127.0.0.1" in reason or "connect" in reason.lower()


def test_a_tiktok_that_hangs_costs_less_than_a_second(after_a_run: Stage, instance: dg.DagsterInstance):
    after_a_run.run.sandbox.faults.delay_s = 20.0
    after_a_run.run.sandbox.faults.inject(FaultKind.delay, "tiktok", "/orders/search", times=3)
    began = time.monotonic()
    tags, reason = evaluate(instance)
    assert time.monotonic() - began < 1
    assert tags is None
    assert "did not answer within" in reason
    after_a_run.run.sandbox.faults.delay_s = 3.0


def test_an_evaluation_takes_a_fraction_of_a_second(after_a_run: Stage, instance: dg.DagsterInstance):
    took: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        evaluate(instance)
        took.append(time.monotonic() - began)
    assert statistics.median(took) < 0.6, took


def test_an_expired_login_is_left_to_the_run(after_a_run: Stage, instance: dg.DagsterInstance):
    after_a_run.run.sandbox.tiktok.tokens.expire_access_tokens()
    with after_a_run.ledger() as ledger:
        store = ledger.token_store(after_a_run.settings.encryption_key)
        before = store.load("tiktok:sandboxappkey")
        assert evaluate(instance)[0] is None
        assert store.load("tiktok:sandboxappkey") == before
    run_live(instance)
    assert evaluate(instance)[0] is None
