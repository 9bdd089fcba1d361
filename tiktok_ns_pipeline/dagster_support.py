"""What every room's Dagster definitions share: how a run opens our world, and how things are shown.

The rooms' flows know nothing of Dagster. An asset opens the runtime for its run, calls one function
of its flow and shows what came of it: counts as numbers under one name everywhere (Dagster plots
them), tables as markdown, never a buyer's data.

Importing this module costs nothing beyond Dagster itself: a code location is imported by every run,
every code server and every webserver reload, so whatever is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import dagster as dg

if TYPE_CHECKING:
    from tiktok_ns_pipeline.lake import Lake
    from tiktok_ns_pipeline.lake.tables import Table
    from tiktok_ns_pipeline.ledger import Ledger
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
    from tiktok_ns_pipeline.runtime import Runtime

OPERATIONS = "team:operations"
FINANCE = "team:finance"
DATA = "team:data"

MAX_RUNTIME_TAG = "dagster/max_runtime"
"""Seconds after which run monitoring fails a run: one whose code server died would never end (D B.5)."""

POOLS: Mapping[str, int] = {
    "orders": 2,
    "closures": 2,
    "shipments": 2,
    "billing": 2,
    "stock": 1,
    "settlements": 1,
    "refunds": 2,
    "order_proof": 1,
    "fulfilment_proof": 1,
    "stock_proof": 1,
    "payout_proof": 1,
    "refund_proof": 1,
    "clearing_proof": 1,
    "maintenance": 1,
}
"""Steps of a pool that may run at once. Flows: one live run, and one that a person asked for; levels are
absolute, so that only one run at a time sets them."""

STOPPED = "the run was asked to end; what was under way is looked up by the next one"
"""How a run ends that somebody, or the system, terminated."""

_TEXT = 400
_Result = TypeVar("_Result")


class RuntimeResource(dg.ConfigurableResource[None]):
    """Our world, opened from the environment for one run and closed after it."""

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Runtime]:
        """Ledger, lake, mapping and both systems; what cannot be opened fails the run for good."""
        from tiktok_ns_pipeline.runtime import open_runtime
        from tiktok_ns_pipeline.settings import Settings

        with permanent_failures():
            async with open_runtime(Settings.from_environment()) as runtime:
                yield runtime

    @contextmanager
    def records(self) -> Generator[Records]:
        """What we remember and were told to do, without a connection to either system."""
        from tiktok_ns_pipeline.clock import SystemClock
        from tiktok_ns_pipeline.lake import Lake
        from tiktok_ns_pipeline.ledger import Ledger
        from tiktok_ns_pipeline.mapping import load_mapping
        from tiktok_ns_pipeline.settings import Settings

        with permanent_failures():
            settings = Settings.from_environment()
            mapping = load_mapping(settings.mapping_path)
            ledger = Ledger.open(settings.database_url, durable=settings.durable)
        lake = Lake(settings.lake_url, SystemClock())
        try:
            yield Records(ledger, lake, mapping)
        finally:
            lake.close()
            ledger.close()


@dataclass(frozen=True, slots=True)
class Records:
    """Ledger, lake and mapping."""

    ledger: Ledger
    lake: Lake
    mapping: SellerMapping


@contextmanager
def permanent_failures() -> Generator[None]:
    """What no repetition mends fails the step at once, with the sentence that says what to do."""
    from tiktok_ns_pipeline.ledger import LedgerError
    from tiktok_ns_pipeline.mapping import MappingError
    from tiktok_ns_pipeline.netsuite.errors import NetSuiteAuthenticationError, NetSuitePermissionError
    from tiktok_ns_pipeline.settings import SettingsError
    from tiktok_ns_pipeline.tiktok.errors import TikTokAuthenticationError, TikTokPermissionError

    permanent = (
        SettingsError,
        MappingError,
        LedgerError,
        NetSuiteAuthenticationError,
        NetSuitePermissionError,
        TikTokAuthenticationError,
        TikTokPermissionError,
    )
    try:
        yield
    except permanent as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def in_event_loop(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end; a termination of the run cancels it as a whole and ends the step.

    Dagster's own handler raises wherever the program is at that moment, which in an event loop is any
    task or callback: the interrupt could get lost there. And where it arrives, a retry policy starts the
    step again: the run that was to end goes on.
    """
    import asyncio
    import signal
    import threading

    # Signals belong to the main thread; a run of Dagster's has it.
    heeded = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()

    async def interruptible() -> _Result:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        before = {each: signal.getsignal(each) for each in heeded}
        for each in before:
            loop.add_signal_handler(each, task.cancel)
        try:
            return await work
        finally:
            for each, handler in before.items():
                loop.remove_signal_handler(each)
                signal.signal(each, handler)

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        raise dg.Failure(STOPPED, allow_retries=False) from None


class _PoolLimits(Protocol):
    def set_concurrency_slots(self, concurrency_key: str, num: int) -> None: ...


def ensure_pools(instance: dg.DagsterInstance) -> None:
    """Write the pools' limits into the instance, as often as one likes.

    A pool without an explicit limit lets the first two runs overlap (D A.7), and no configuration
    file can give it one.
    """
    storage: _PoolLimits = instance.event_log_storage
    for pool, limit in POOLS.items():
        storage.set_concurrency_slots(pool, limit)


def table_metadata(table: Table) -> dict[str, Any]:
    """The table's columns with their meaning, and its name in the lake."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type,
            column.description,
            constraints=dg.TableColumnConstraints(nullable=not column.required),
        )
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.{table.name}",
    }


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; cells cannot break out of it."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def exceptions_table(exceptions: Sequence[OpenException], of: int | None = None) -> str:
    """Open exceptions with who acts and until when; `of` so many in all, when these are the most urgent."""
    if not exceptions:
        return "none"
    rows = [
        (e.id, e.kind, f"{e.shop}: {e.subject}", e.message, e.what_to_do, e.owner, _instant(e.due_at))
        for e in exceptions
    ]
    table = markdown_table(("#", "kind", "about", "what is wrong", "what to do", "owner", "due"), rows)
    more = (of or 0) - len(exceptions)
    return f"{table}\n\nand {more} more: `tiktok-ns exceptions list`" if more > 0 else table


def amounts_text(amounts: Mapping[str, Decimal]) -> str:
    """Amounts by currency in words; amounts stay exact and currencies apart."""
    told = (f"{amount:f} {currency}" for currency, amount in sorted(amounts.items()))
    return ", ".join(told) or "none"


def time_left(until: datetime, now: datetime) -> str:
    """How long something may still be done, to the minute; `none` once it is too late."""
    left = until - now
    if left <= timedelta(0):
        return "none"
    hours, seconds = divmod(int(left.total_seconds()), 3600)
    return f"{hours} h {seconds // 60:02d} min"


def check_result(
    state: Literal["passed", "failed", "not_run"],
    description: str,
    *,
    metadata: Mapping[str, Any] | None = None,
    check_name: str | None = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """The answer of a check in Dagster's words, which know no «not run».

    A check that had nothing to look at did not pass: it shows as a warning that says so, and its
    `status` tells it from one that looked and found something.
    """
    not_run = state == "not_run"
    return dg.AssetCheckResult(
        passed=state == "passed",
        check_name=check_name,
        severity=dg.AssetCheckSeverity.WARN if not_run else severity,
        description=description
        if not not_run or description.startswith("not run")
        else f"not run: {description}",
        metadata={"status": state.replace("_", " "), **(metadata or {})},
    )


def _cell(value: object) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _instant(instant: Any) -> str:
    return instant.strftime("%Y-%m-%d %H:%MZ") if instant else ""
