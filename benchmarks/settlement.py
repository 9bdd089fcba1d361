"""A large payout from TikTok's statements to NetSuite's books, beside the same sums in plain pandas.

    python -m benchmarks.settlement --json
    python -m benchmarks.settlement --transactions 20000

One payout of the sandbox's US shop (see `big_payout`), each step in a process of its own: *landing*
(TikTok's pages -> raw rows in the lake), *ours* (raw rows -> footed, mapped, matched with every order's
documents, staged, posted as a balanced journal and read back), *pandas* (the same raw rows -> the same
sums, exact ones of Decimal objects, and nothing else). What a process needs beyond one that is ready and
idle is its memory. The sandbox is a further process; waiting for it is in the seconds, its work is not in
the processor's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.big_payout import SHOP, STATEMENTS, settle
from benchmarks.figures import command_line, measure
from tiktok_ns_pipeline.lake import naming
from tiktok_ns_pipeline.lake.lazily import arrow, arrow_parquet
from tiktok_ns_pipeline.lake.tables import (
    RAW_TIKTOK_PAYMENTS,
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    RAW_TIKTOK_STATEMENTS,
    STAGED_PAYOUT_JOURNALS,
)
from tiktok_ns_pipeline.runtime import Runtime, open_runtime
from tiktok_ns_pipeline.sandbox.catalogue import AUTH_CODE
from tiktok_ns_pipeline.sandbox.demo.settings import MAPPING, sandbox_environment, write_environment
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.settlements.document import PayoutJournal
from tiktok_ns_pipeline.settlements.flow import SettlementsFlow, SettlementsRequest
from tiktok_ns_pipeline.settlements.observing import MoneyWatch, first_look
from tiktok_ns_pipeline.tiktok.finance_keys import NEVER_ADDED, ORDER_TYPE, RESERVE_TYPE, SUPPLEMENTARY

AIMS = {"memory_mb_more": 150}
PANDAS_LEAVES_OUT = (
    "refusing what does not add up (components, rows, statements, payment)",
    "reading rows of older shapes, and amounts that are refused or blank",
    "residuals: fees that a total has and no member lists",
    "deciding accounts by the mapping, and refusing what it does not decide",
    "what clears of each order beside its documents in NetSuite",
    "balancing a journal, posting it exactly once, reading it back",
)

Totals = dict[str, Decimal]
"""Sums by component (path of an amount, type of an adjustment, `reserve`, `net`) and by statement."""
Step = Callable[..., Any]
Runner = Callable[[Step, Path], tuple[dict[str, Any], Any]]
"""Runs a step; gives what it cost and what it found."""


def main() -> None:
    """Measure what the command line asks for, and print it."""
    parser = command_line(__doc__, PARTS)
    parser.add_argument("--transactions", type=int, help="of the payout; 100,000 unless said otherwise")
    measure(parser, PARTS, AIMS)


def _payout(options: argparse.Namespace) -> dict[str, Any]:
    transactions = options.transactions or (10_000 if options.quick else 100_000)
    spawning = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="tns-settlement-") as name:
        folder = Path(name)
        here, there = spawning.Pipe()
        # A child's peak begins with its parent's memory: this process must stay small.
        sandbox = spawning.Process(target=_serve, args=(folder, transactions, there))
        sandbox.start()
        try:
            here.recv()
            return payout(folder, transactions, in_child)
        finally:
            here.send("end")
            sandbox.join()


def payout(folder: Path, transactions: int, run: Runner) -> dict[str, Any]:
    """The figures of one payout, which the sandbox of this folder has paid."""
    landing, landed = run(_land, folder)
    ours, our_totals = run(_book, folder)
    pandas, their_totals = run(_sum_in_pandas, folder)
    return {
        "transactions": transactions,
        "statements": STATEMENTS,
        "landed_rows": landed,
        "landing": landing,
        "ours": ours,
        "pandas": pandas,
        "ours_to_pandas": {
            name: ours[name] / pandas[name] if pandas[name] else None
            for name in ("cpu_s", "seconds", "memory_mb_more")
        },
        "totals": len(our_totals),
        "totals_that_differ": sorted(
            name
            for name in our_totals.keys() | their_totals.keys()
            if our_totals.get(name, 0) != their_totals.get(name, 0)
        ),
        "pandas_leaves_out": list(PANDAS_LEAVES_OUT),
    }


# Processes


def in_child(step: Step, folder: Path) -> tuple[dict[str, Any], Any]:
    """Run a step in a fresh process."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe(duplex=False)
    child = spawning.Process(target=_report, args=(step, folder, there))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f"{step.__name__} failed; its process says why") from None
    finally:
        child.join()


def in_this_process(step: Step, folder: Path) -> tuple[dict[str, Any], Any]:
    """Run a step here, where what it needs of memory cannot be told apart."""
    with step(folder) as work:
        cost = _Cost()
        return cost.so_far(), work()


def _report(step: Step, folder: Path, connection: Any) -> None:
    with step(folder) as work:
        cost = _Cost()
        found = work()
        connection.send((cost.so_far(), found))


class _Cost:
    def __init__(self) -> None:
        self._memory = _memory_mb()
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def so_far(self) -> dict[str, Any]:
        return {
            "seconds": time.perf_counter() - self._began,
            "cpu_s": time.process_time() - self._cpu,
            "memory_mb_idle": self._memory,
            "memory_mb_more": _memory_mb() - self._memory,
        }


def _memory_mb() -> float:
    """The most memory that this process has had."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _serve(folder: Path, transactions: int, connection: Any) -> None:
    """The sandbox's process: it has paid the payout when it says that it is ready."""
    with paid_out(folder, transactions):
        connection.send("ready")
        connection.recv()


@contextmanager
def paid_out(folder: Path, transactions: int) -> Generator[None]:
    """A sandbox that has paid a payout of so many transactions; the pipeline has the seller's consent."""
    options = SandboxOptions(netsuite_save_s=0.0, netsuite_slots=15, mix=Mix.plain(settles=True))
    with running_sandbox(options) as running:
        settle(running.sandbox, transactions)
        pem = running.sandbox.books.auth.client_private_key_pem("ES256")
        write_environment(folder / "environment", running.urls, pem)
        ours = {
            **sandbox_environment(running.urls, folder / "environment"),
            "TNS_MAPPING": str(MAPPING),
            "TNS_DATA_DIR": str(folder / "data"),
            # Waiting for the next turn is not what is measured.
            "TNS_POLL_SECONDS": "0.1",
        }
        _environment(folder).write_text(json.dumps(ours))
        yield


def _environment(folder: Path) -> Path:
    return folder / "environment.json"


# Steps: each is ready and idle when its block is entered, and works when it is called


@contextmanager
def _pipeline(folder: Path) -> Generator[tuple[asyncio.Runner, Runtime]]:
    settings = Settings.from_environment(json.loads(_environment(folder).read_text()))
    with asyncio.Runner() as loop:
        opening = open_runtime(settings)
        runtime = loop.run(opening.__aenter__())
        try:
            # Whatever reading and writing a lake needs is loaded now, as in any process that has done so.
            arrow().array([])
            runtime.lake.current(RAW_TIKTOK_PAYMENTS)
            arrow_parquet()
            yield loop, runtime
        finally:
            loop.run(opening.__aexit__(None, None, None))


@contextmanager
def _land(folder: Path) -> Generator[Callable[[], int]]:
    with _pipeline(folder) as (loop, runtime):
        loop.run(runtime.tiktok_login.exchange(AUTH_CODE))
        opened = {one.shop_id: one for one in loop.run(runtime.tiktok.authorized_shops())}
        shop = runtime.mapping.shops[SHOP]
        watch = MoneyWatch(runtime, (shop, opened[shop.tiktok_shop_id]), "landing")

        def work() -> int:
            today = runtime.clock.now().date()
            return loop.run(watch.look(first_look(today, today))).transactions

        yield work


@contextmanager
def _book(folder: Path) -> Generator[Callable[[], Totals]]:
    with _pipeline(folder) as (loop, runtime):

        def work() -> Totals:
            flow = SettlementsFlow(runtime, "booking")
            report = loop.run(flow.run(SettlementsRequest(shops=(SHOP,), budget_s=3600, idle_s=0.5)))
            if report.trouble or report.read_back != 1:
                raise RuntimeError(
                    f"{report.read_back} journals were posted; {report.trouble}; {report.plan}"
                )
            return _our_totals(runtime)

        yield work


def _our_totals(runtime: Runtime) -> Totals:
    totals: Totals = {}
    for row in runtime.lake.current(STAGED_PAYOUT_JOURNALS, shop=SHOP):
        if row["document"] is None:
            totals[f"statement {row['key']}"] = row["net"]
            continue
        journal = PayoutJournal.model_validate_json(row["document"])
        for line in journal.lines:
            for name, amount in line.components:
                totals[name] = totals.get(name, Decimal(0)) + amount
    return totals


@contextmanager
def _sum_in_pandas(folder: Path) -> Generator[Callable[[], Totals]]:
    import pandas
    import pyarrow.parquet  # noqa: F401  pandas loads it with the first file

    def work() -> Totals:
        lake = folder / "data" / "lake"
        statements = _newest(pandas, lake / naming.folder(RAW_TIKTOK_STATEMENTS), "statement_id")
        payment = _newest(pandas, lake / naming.folder(RAW_TIKTOK_PAYMENTS), "payment_id").iloc[0]
        own = statements[statements.payment_id == payment.payment_id]
        rows = pandas.read_parquet(
            lake / naming.folder(RAW_TIKTOK_STATEMENT_TRANSACTIONS),
            columns=["statement_id", "payload"],
            filters=[("statement_id", "in", list(own.statement_id))],
            partitioning=None,
        )
        parts = pandas.DataFrame(
            (
                (statement, name, amount)
                for statement, payload in zip(rows.statement_id, rows.payload, strict=True)
                for name, amount in _parts_of(json.loads(payload))
            ),
            columns=["statement", "name", "amount"],
        )
        settled = parts[parts.name != "reserve"]
        by_name = parts.groupby("name").amount.sum()
        by_statement = settled.groupby("statement").amount.sum()
        totals = {str(name): amount for name, amount in by_name.items() if amount}
        totals["net"] = -sum(totals.values(), Decimal(0))
        return totals | {f"statement {one}": amount for one, amount in by_statement.items()}

    yield work


def _newest(pandas: Any, folder: Path, key: str) -> Any:
    found = pandas.read_parquet(folder, partitioning=None)
    return found.sort_values("landed_at").drop_duplicates(key, keep="last")


def _parts_of(row: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    """What of a row of 202501 is summed, as somebody who knows the API would write it down."""
    if row["type"] == ORDER_TYPE:
        for group in ("revenue", "shipping_cost", "fee_tax"):
            yield from _leaves(row[f"{group}_breakdown"], group.removesuffix("_cost"))
    elif row["type"] == RESERVE_TYPE:
        yield "reserve", Decimal(row["reserve_amount"])
    else:
        yield row["type"], Decimal(row["settlement_amount"])


def _leaves(part: Mapping[str, Any], path: str) -> Iterator[tuple[str, Decimal]]:
    for name, value in part.items():
        if name == SUPPLEMENTARY or name in NEVER_ADDED or value == "0":
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", Decimal(value)


PARTS = {"payout": _payout}

if __name__ == "__main__":
    main()
