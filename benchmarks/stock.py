"""The figures of the stock flow, each beside its aim, measured in one run on this machine.

    python -m benchmarks.stock --json
    python -m benchmarks.stock --quick --part flash_sales

Parts: *latency* (somebody counts in NetSuite -> TikTok shows it, with the real daemon), *calls* (what a
changed SKU costs at both systems), *snapshot* (all stock of 10,000 SKUs read and booked),
*flash_sales* (what three publishers oversell and never sell, see `flash_sales`). Nothing here is a test:
the machine's load decides as much as the code, so the load is told, too.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx

from benchmarks.figures import command_line, measure
from benchmarks.flash_sales import SCENES, flash_sales
from benchmarks.stock_latency import PLAIN, item_of, stock_latency
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.inventory.flow import StockFlow
from tiktok_ns_pipeline.inventory.observing import NetSuiteStock
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import count_stock
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

AIMS = {"p95_s": 20, "oversold_per_10k_orders": 0}

_CALL_S = 1.0
"""How long NetSuite takes for a page of SuiteQL, as a rule of thumb (N 4.4)."""


def main() -> None:
    """Measure what the command line asks for, and print it."""
    measure(command_line(__doc__, PARTS), PARTS, AIMS)


def _latency(options: argparse.Namespace) -> dict[str, Any]:
    return stock_latency(20 if options.quick else 72)


def _calls(options: argparse.Namespace) -> dict[str, Any]:
    """What changes cost beyond a flow that looks and finds nothing, in virtual time."""
    changes = 10 if options.quick else len(PLAIN)
    with tempfile.TemporaryDirectory(prefix="tns-stock-") as folder:

        async def measure(clock: VirtualClock) -> dict[str, Any]:
            return await _counted(Path(folder), clock, changes)

        return run_virtual(measure)


async def _counted(folder: Path, clock: VirtualClock, changes: int) -> dict[str, Any]:
    rig = Rig(folder, clock, mix=Mix.plain(stock="kept"))
    counting = _Counting(rig.transport)
    rig.transport = cast(InProcessTransport, counting)
    await rig.log_in()
    lasts = 600.0 + 3 * 240.0
    async with rig.runtime() as runtime:
        flow = StockFlow(runtime, "calls")
        running = asyncio.create_task(flow.run(TurnRequest(budget_s=lasts, idle_s=lasts)))
        # All is pushed, and what is read now and then was read just now.
        await _during(counting, 600)
        found: dict[str, Any] = {}
        nothing = await _during(counting, 240)
        for listing in PLAIN[:changes]:
            count_stock(rig.books, item_of(listing.seller_sku), "6", 50)
            await asyncio.sleep(10)
        alone = await _during(counting, 240 - 10 * changes)
        for listing in PLAIN[:changes]:
            count_stock(rig.books, item_of(listing.seller_sku), "6", 60)
        together = await _during(counting, 240)
        await running
    for name, taken in (("one_by_one", alone), ("together", together)):
        found[name] = {
            what: max(0, taken[what] - nothing[what]) / changes
            for what in ("tiktok_writes", "tiktok_reads", "netsuite")
        }
    return {"changed_skus": changes, "calls_per_changed_sku": found}


class _Counting(httpx.AsyncBaseTransport):
    """Counts requests by what they are for."""

    def __init__(self, network: InProcessTransport) -> None:
        self._network = network
        self.taken: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count it, and hand it on."""
        if request.url.host != "tiktok.sandbox":
            self.taken["netsuite"] += 1
        else:
            self.taken["tiktok_writes" if request.url.path.endswith("/update") else "tiktok_reads"] += 1
        return await self._network.handle_async_request(request)


async def _during(counting: _Counting, seconds: float) -> Counter[str]:
    """What was asked since the last time, so many seconds later."""
    await asyncio.sleep(max(0.0, seconds))
    taken = counting.taken
    counting.taken = Counter()
    return taken


def _snapshot(options: argparse.Namespace) -> dict[str, Any]:
    """All stock of so many SKUs at two Locations, read and booked by the flow's own code."""
    skus = 2_000 if options.quick else 10_000
    with tempfile.TemporaryDirectory(prefix="tns-stock-") as folder:
        return asyncio.run(_read_all(Path(folder), skus))


async def _read_all(folder: Path, skus: int) -> dict[str, Any]:
    rig = Rig(folder, SystemClock())
    items = rig.books.seed_items(skus)
    await rig.log_in()
    found: dict[str, Any] = {"skus": skus}
    async with rig.runtime() as runtime:
        stock = NetSuiteStock(runtime, "snapshot")
        for name in ("first", "unchanged"):
            asked, memory = rig.faults.asked["netsuite"], _memory_mb()
            began, cpu = time.perf_counter(), time.process_time()
            stock.read_all_next()
            looked = await stock.look()
            found[name] = {
                "calls": (calls := rig.faults.asked["netsuite"] - asked),
                "seconds_at_1s_a_call": calls * _CALL_S,
                "seconds_in_process": time.perf_counter() - began,
                "cpu_s_with_sandbox": time.process_time() - cpu,
                "memory_mb_more": _memory_mb() - memory,
            }
            if name == "first" and not looked.items.issuperset(items):
                raise RuntimeError(f"{len(looked.items)} of {skus} SKUs were booked")
    return found


def _memory_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _flash_sales(options: argparse.Namespace) -> dict[str, Any]:
    if options.quick:
        return flash_sales([1], [SCENES[0], SCENES[5]])
    return flash_sales(range(1, 4))


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "latency": _latency,
    "calls": _calls,
    "snapshot": _snapshot,
    "flash_sales": _flash_sales,
}

if __name__ == "__main__":
    main()
