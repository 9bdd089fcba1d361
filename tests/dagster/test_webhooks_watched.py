"""TikTok is asked time and again whether it posts to us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.runtime import Runtime, open_runtime
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.webhooks import watching
from tiktok_ns_pipeline.webhooks.registering import DEFAULT_EVENTS
from tiktok_ns_pipeline.webhooks.watching import Watched, keep_registered

ADDRESS = "http://127.0.0.1:8090/webhooks/tiktok"


@pytest.fixture(autouse=True)
def nothing_is_registered(on_stage: Stage) -> Iterator[None]:
    """The sandbox is shared by the tests of this file."""
    for shop in ("us", "uk", "vn"):
        on_stage.world.store.remember(f"webhooks {shop}", "{}")
    yield
    on_stage.world.faults.stop()


def watched(stage: Stage, before: Callable[[Runtime], object] = lambda runtime: None) -> Watched:
    async def no_pause(_seconds: float) -> None: ...

    async def body() -> Watched:
        async with open_runtime(stage.settings) as runtime:
            before(runtime)
            return await keep_registered(runtime, ADDRESS, pause=no_pause)

    return asyncio.run(body())


def open_exceptions(stage: Stage) -> list[tuple[str, str, str]]:
    ledger = Ledger.open(stage.settings.database_url)
    with ledger.read() as tx:
        found = [(one.kind, one.shop, one.subject) for one in tx.exceptions.list()]
    ledger.close()
    return found


def test_what_is_missing_is_registered_for_every_shop_and_then_found(on_stage: Stage) -> None:
    first, second = watched(on_stage), watched(on_stage)
    assert (first.listed, first.renewed, first.missing) == (0, 27, 0)
    assert (second.listed, second.renewed, second.missing) == (27, 0, 0)
    assert open_exceptions(on_stage) == []


def test_what_tiktok_does_not_list_waits_for_a_person_until_it_does(on_stage: Stage) -> None:
    on_stage.world.faults.inject(FaultKind.late_visibility, "tiktok", "webhook PACKAGE_UPDATE", times=5)
    assert watched(on_stage).missing == 1
    assert open_exceptions(on_stage) == [("webhook_not_registered", "us", "webhook PACKAGE_UPDATE")]
    on_stage.world.faults.stop()
    assert watched(on_stage).renewed == 1
    assert open_exceptions(on_stage) == []


def test_while_tiktok_is_away_nothing_is_known_and_nothing_changes(on_stage: Stage) -> None:
    assert watched(on_stage).renewed == 27
    on_stage.world.faults.set_rate("tiktok", FaultKind.unauthorized, 1.0)
    found = watched(on_stage)
    assert (found.listed, found.renewed, found.missing) == (0, 0, 0)
    assert len(found.trouble) >= 1
    assert open_exceptions(on_stage) == []


def test_the_job_registers_and_tells_how_many(
    on_stage: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TNS_WEBHOOKS_URL", ADDRESS)
    job = defs.resolve_job_def("webhooks_job")
    result = job.execute_in_process(instance=instance)
    assert result.success
    (output,) = [event.step_output_data for event in result.all_events if event.is_successful_output]
    figures = {name: value.value for name, value in output.metadata.items()}
    assert figures == {"listed": 0, "registered_anew": 3 * len(DEFAULT_EVENTS), "missing": 0, "not_known": 0}


def test_an_address_that_cannot_be_fails_the_job_with_the_reason(
    on_stage: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TNS_WEBHOOKS_URL", "shop.example.com")
    result = defs.resolve_job_def("webhooks_job").execute_in_process(instance=instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "TNS_WEBHOOKS_URL: 'shop.example.com' is no web address" in str(failure.step_failure_data.error)


def test_the_schedule_rests_where_webhooks_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = defs.resolve_schedule_def("webhooks_schedule")

    def evaluated() -> Any:
        with dg.build_schedule_context() as context:
            return schedule.evaluate_tick(context)

    monkeypatch.delenv("TNS_WEBHOOKS_URL", raising=False)
    assert "TNS_WEBHOOKS_URL is not set" in (evaluated().skip_message or "")
    monkeypatch.setenv("TNS_WEBHOOKS_URL", ADDRESS)
    assert len(evaluated().run_requests or []) == 1


def test_what_tiktok_refuses_is_told_in_its_own_words(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "DEFAULT_EVENTS", ("ORDER_STATUS_CHANGE", "NO_SUCH_EVENT"))
    found = watched(on_stage)
    assert (found.renewed, found.missing) == (3, 3)
    ledger = Ledger.open(on_stage.settings.database_url)
    with ledger.read() as tx:
        messages = [one.message for one in tx.exceptions.list(kinds=["webhook_not_registered"], shop="us")]
    ledger.close()
    assert any("NO_SUCH_EVENT" in message and "36009004" in message for message in messages)
