"""The proofs of payouts, refunds and clearing in Dagster, against a sandbox over loopback."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.reconciliation.days import days_to_refund, days_to_settle
from tiktok_ns_pipeline.sandbox.faults import FaultKind

STRANGE = "3680000000009999999"
JOBS = ("payout_reconciliation_job", "refund_reconciliation_job", "clearing_reconciliation_job")


def prove(
    instance: dg.DagsterInstance, job: str, day: str | None, **config: Any
) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=day, run_config=config
    )
    (event,) = result.get_asset_materialization_events()
    figures = {name: value.value for name, value in event.materialization.metadata.items()}
    return figures, {check.check_name: check for check in result.get_asset_check_evaluations()}


def status(checks: dict[str, dg.AssetCheckEvaluation]) -> dict[str, Any]:
    return {name: check.metadata["status"].value for name, check in checks.items()}


def days(stage: Stage) -> tuple[str, str]:
    """Today in UTC and in the US shop's zone."""
    now = stage.world.now()
    return now.astimezone(UTC).date().isoformat(), now.astimezone(stage.zone("us")).date().isoformat()


@pytest.fixture(scope="module")
def drifted(on_stage: Stage) -> tuple[str, str]:
    """A payout's journal without a payment, and a Cash Refund without a refund."""
    books = on_stage.books
    utc, local = days(on_stage)
    lines = [{"account": {"id": "128"}, "debit": 7}, {"account": {"id": "125"}, "credit": 7}]
    journal = {
        "externalId": f"tts-us-je-{STRANGE}",
        "subsidiary": {"id": "1"},
        "currency": {"id": "1"},
        "approved": True,
        "tranDate": utc,
        "line": {"items": lines},
    }
    books.create("journalEntry", journal)
    customer = {"companyName": "TikTok buyers", "subsidiary": {"id": "1"}, "currency": {"id": "1"}}
    goods = {"item": {"id": "907"}, "quantity": 1, "price": {"id": "-1"}, "rate": Decimal(3)}
    refund = {
        "entity": {"id": books.create("customer", customer).record.id},
        "externalId": "tts-us-cr-4999999999999999999",
        "custbody_tts_order_id": "5770000000000000001",
        "custbody_tts_shop": "us",
        "account": {"id": "125"},
        "tranDate": local,
        "item": {"items": [goods | {"amount": Decimal(3)}]},
    }
    return journal["externalId"], books.create("cashRefund", refund).record.id


def test_each_proof_names_what_is_wrong(
    on_stage: Stage, instance: dg.DagsterInstance, drifted: tuple[str, str], tmp_path: Path
) -> None:
    journal, credit = drifted
    utc, local = days(on_stage)
    bank = tmp_path / "bank.csv"
    bank.write_text(f"date,amount,currency,reference\n{utc},9.99,USD,WHO KNOWS\n")
    config = {"ops": {"payout_reconciliation": {"config": {"bank_files": {"us": str(bank)}}}}}

    figures, checks = prove(instance, JOBS[0], utc, **config)

    offenders = checks["bookings_are_payments"].metadata["offenders"].value
    assert set(offenders) == {f"us/{journal}", "us/line 2"}
    assert figures["journal_without_payment"] == figures["bank_without_payment"] == 1
    assert status(checks)["payments_booked"] == "not run"

    figures, checks = prove(instance, JOBS[1], local)
    assert checks["credits_have_refunds"].metadata["offenders"].value == [f"us/{credit}"]
    assert "credit without refund" in figures["worst"]

    figures, checks = prove(instance, JOBS[2], None)
    explained = checks["clearing_account_explained"]
    assert not explained.passed
    assert explained.metadata["number_of_offenders"].value == 1
    assert figures["nobodys"] == figures["credited_not_settled"] == 1
    assert "-10.00 USD" in figures["statements"] or "-10 USD" in figures["statements"]


def test_a_side_that_cannot_be_read_is_no_clean_proof(
    on_stage: Stage, instance: dg.DagsterInstance, drifted: tuple[str, str]
) -> None:
    utc, _ = days(on_stage)
    on_stage.run.sandbox.faults.inject(FaultKind.unauthorized, "tiktok", "/finance/", times=1000)
    try:
        figures, checks = prove(instance, JOBS[0], utc)
    finally:
        on_stage.run.sandbox.faults.stop()
    assert figures["shops_not_proved"] > 0
    assert set(status(checks).values()) == {"not run"}


def test_a_bank_file_that_cannot_be_read_stops_the_run(
    on_stage: Stage, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    bank = tmp_path / "bank.csv"
    bank.write_text("date;amount\n")
    config = {"ops": {"payout_reconciliation": {"config": {"bank_files": {"us": str(bank)}}}}}

    with pytest.raises(dg.Failure, match="has no column"):
        prove(instance, JOBS[0], days(on_stage)[0], **config)


def test_the_days_are_due_in_the_morning_of_the_first_shops_clock(on_stage: Stage) -> None:
    mapping = load_mapping(on_stage.settings.mapping_path)
    morning = datetime(2026, 11, 22, 7, 10, tzinfo=on_stage.zone("us"))

    assert len(days_to_settle(mapping, morning)) == 15
    assert days_to_refund(mapping, morning)[-1].isoformat() == "2026-11-22"
    assert days_to_settle(mapping, morning.replace(hour=8)) == []
