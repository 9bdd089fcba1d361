"""Housekeeping in Dagster, on a real lake and a real instance."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dagster as dg
import pytest

from tests.conftest import SetClock
from tests.dagster.stage import Stage
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.dagster_support import POOLS, ensure_pools
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS, REFUND_RECONCILIATION
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import STOCK_LEVEL
from tiktok_ns_pipeline.ledger.inbox import NewEvent
from tiktok_ns_pipeline.ledger.intents import FactKey, NewIntent
from tiktok_ns_pipeline.ledger.stock import Reading, netsuite_key
from tiktok_ns_pipeline.maintenance.automation import EVENTS_KEPT, PROOFS_KEPT, STOCK_KEPT
from tiktok_ns_pipeline.maintenance.prepare import prepare
from tiktok_ns_pipeline.maintenance.run_history import FAILURES_KEPT, KEPT, delete_old_runs

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A real instance on SQLite, whose files are what housekeeping is about."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened


def land_one(lake: Lake, number: int) -> None:
    now = datetime.now(UTC)
    row = {
        "channel": "tiktok",
        "order_id": f"{576000000000000000 + number}",
        "status": "AWAITING_SHIPMENT",
        "create_time": now,
        "update_time": now,
        "currency": "USD",
        "total_amount": None,
        "payload": "{}",
        "read_at": now,
        "request_id": None,
    }
    lake.land(RAW_TIKTOK_ORDERS, [row], shop="us", day=TODAY, run_id="run")


def test_the_nightly_job_puts_small_files_together_and_loses_nothing(
    on_stage: Stage, instance: dg.DagsterInstance
):
    lake = Lake(on_stage.settings.lake_url, SystemClock())
    for number in range(10):
        land_one(lake, number)
    result = defs.resolve_job_def("maintenance_job").execute_in_process(instance=instance)
    assert result.success
    (output,) = [
        event.step_output_data
        for event in result.all_events
        if event.is_successful_output and event.step_key == "compact_lake"
    ]
    figures = {name: value.value for name, value in output.metadata.items()}
    assert (figures["files_merged"], figures["files_written"]) == (10, 1)
    assert "raw_tiktok_orders" in figures["tables"]
    assert len(lake.current(RAW_TIKTOK_ORDERS)) == 10


def test_the_nightly_job_forgets_webhook_events_that_were_handled_long_ago(
    on_stage: Stage, instance: dg.DagsterInstance
):
    def store(name: str, age: timedelta, flow: str) -> None:
        ledger = Ledger.open(on_stage.settings.database_url, SetClock(datetime.now(UTC) - age))
        with ledger.begin() as tx:
            tx.inbox.store([NewEvent(name, "tiktok", "7495", "1", "order 1", flow, "{}")])
        ledger.close()

    long_ago = EVENTS_KEPT + timedelta(hours=1)
    store("handled long ago", long_ago, "")
    store("waits since long ago", long_ago, "orders")
    store("handled of late", EVENTS_KEPT - timedelta(hours=1), "")
    assert defs.resolve_job_def("maintenance_job").execute_in_process(instance=instance).success
    ledger = Ledger.open(on_stage.settings.database_url)
    with ledger.read() as tx:
        counts = tx.inbox.counts()
    ledger.close()
    assert (counts[""].handled, counts["orders"].waiting) == (1, 1)


def test_the_nightly_job_rolls_up_what_happened_to_stock_long_ago(
    on_stage: Stage, instance: dg.DagsterInstance
):
    key, fact = netsuite_key("301", "6"), FactKey("tiktok", "us", STOCK_LEVEL, "1729")

    def happen(age: timedelta, quantity: int) -> None:
        ledger = Ledger.open(on_stage.settings.database_url, SetClock(datetime.now(UTC) - age))
        with ledger.begin() as tx:
            tx.stock.set_balances("snapshot", [Reading(key, Decimal(quantity))])
            tx.intents.plan([NewIntent("stock", fact, {"level": quantity}, f"{quantity}", "urgent")])
        ledger.close()

    long_ago = STOCK_KEPT + timedelta(hours=1)
    happen(long_ago, 5)
    happen(long_ago, 3)
    happen(STOCK_KEPT - timedelta(hours=1), 4)
    assert defs.resolve_job_def("maintenance_job").execute_in_process(instance=instance).success
    ledger = Ledger.open(on_stage.settings.database_url)
    with ledger.read() as tx:
        rows = tx.stock.positions("netsuite", "301")
        revisions = [intent.revision for intent in tx.intents.history(fact)]
        assert tx.stock.verify() == []
    ledger.close()
    assert [(row.movement, row.quantity) for row in rows] == [("snapshot", 1), ("opening", 3)]
    assert revisions == [2, 3]


def test_the_nightly_job_forgets_proofs_of_a_day_that_were_replaced_long_ago(
    on_stage: Stage, instance: dg.DagsterInstance
):
    long_ago = datetime.now(UTC) - PROOFS_KEPT - timedelta(days=1)
    of_late = long_ago + timedelta(days=2)
    for landed_at in (long_ago - timedelta(hours=1), long_ago, of_late):
        row = {"subject": f"{landed_at}", "verdict": "matched", "is_wrong": False}
        row |= {"tiktok_read_at": landed_at, "netsuite_read_at": landed_at}
        lake = Lake(on_stage.settings.lake_url, SetClock(landed_at))
        lake.land(REFUND_RECONCILIATION, [row], shop="us", day=TODAY, run_id="run")
    assert defs.resolve_job_def("maintenance_job").execute_in_process(instance=instance).success
    lake = Lake(on_stage.settings.lake_url, SystemClock())
    for instant in (long_ago, of_late):
        assert [row["subject"] for row in lake.as_of(REFUND_RECONCILIATION, instant)] == [f"{instant}"]
    assert lake.as_of(REFUND_RECONCILIATION, long_ago - timedelta(minutes=1)) == []


@pytest.fixture
def history() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.mark.parametrize(
    ("job", "status", "age", "goes"),
    [
        ("orders_job", "SUCCESS", KEPT["orders_job"] - timedelta(hours=1), False),
        ("orders_job", "SUCCESS", KEPT["orders_job"] + timedelta(hours=1), True),
        ("orders_job", "FAILURE", FAILURES_KEPT - timedelta(hours=1), False),
        ("orders_job", "FAILURE", FAILURES_KEPT + timedelta(hours=1), True),
        ("orders_job", "STARTED", timedelta(days=400), False),
        ("order_reconciliation_job", "SUCCESS", timedelta(days=4000), False),
        ("order_reconciliation_job", "FAILURE", timedelta(days=4000), False),
    ],
)
def test_runs_are_forgotten_by_job_end_and_age(
    history: dg.DagsterInstance, job: str, status: str, age: timedelta, goes: bool
):
    run = history.create_run_for_job(defs.resolve_job_def(job), status=dg.DagsterRunStatus(status))
    deleted = delete_old_runs(history, datetime.now(UTC) + age)
    assert sum(deleted.values()) == goes
    assert (history.get_run_by_id(run.run_id) is None) == goes


def test_preparing_twice_changes_nothing(instance: dg.DagsterInstance, ledger_url: str):
    told: list[str] = []
    for _ in range(2):
        prepare(instance, ledger_url, told.append)
    assert told.count("the ledger is at this version") == 2
    Ledger.open(ledger_url).close()
    limits = {pool: instance.event_log_storage.get_concurrency_info(pool).slot_count for pool in POOLS}
    assert limits == dict(POOLS)


def test_a_pool_holds_one_step_more_only_when_it_may(instance: dg.DagsterInstance):
    ensure_pools(instance)
    storage = instance.event_log_storage
    claims = [storage.claim_concurrency_slot("orders", f"run-{number}", "step") for number in range(3)]
    assert [claim.is_claimed for claim in claims] == [True, True, False]
    for number in range(3):
        storage.free_concurrency_slots_for_run(f"run-{number}")
