"""The figures of the orders flow, each beside its aim, measured in one run on this machine.

    python -m benchmarks.orders --json
    python -m benchmarks.orders --quick --part throughput

Parts: *throughput* (Sales Orders per second as a share of slots / save time, beside a plain loop over
httpx that makes the same requests, and NetSuite calls per order), *latency* (placed to Sales Order with
the real daemon), *shipments* (Item Fulfillment saved to parcel told, likewise), *simulation* (orders and
faults a minute on one core). Nothing here is a test: the machine's load decides as much as the code, so
the load is told, too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from benchmarks.figures import command_line, measure
from benchmarks.latency import latency, shipment_latency
from benchmarks.stand import postgresql
from benchmarks.throughput import throughput
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.simulate import simulate

AIMS = {
    "share": 0.95,
    "netsuite_calls_per_order": 1.1,
    "p95_s": 15,
    "shipments_p95_s": 30,
    "orders_per_cpu_minute": 10_000,
}


def main() -> None:
    """Measure what the command line asks for, and print it."""
    parser = command_line(__doc__, PARTS)
    parser.add_argument("--postgres", action="store_true", help="throughput with the ledger on PostgreSQL")
    measure(parser, PARTS, AIMS)


def _throughput(options: argparse.Namespace) -> list[dict[str, Any]]:
    seconds = 10 if options.quick else 30
    with postgresql() if options.postgres else nullcontext() as url:
        return [throughput(slots, seconds, url) for slots in (5, 15, 45)]


def _latency(options: argparse.Namespace) -> dict[str, Any]:
    return latency(orders_per_s=10, seconds=20 if options.quick else 60)


def _shipments(options: argparse.Namespace) -> dict[str, Any]:
    return shipment_latency(parcels_per_s=2, seconds=20 if options.quick else 60)


def _simulation(options: argparse.Namespace) -> dict[str, Any]:
    began, cpu = time.perf_counter(), time.process_time()
    orders = 400 if options.quick else 2_000
    # Orders until they are shipped and billed; what comes months later is no part of the figure.
    mix = Mix(shipped_by="warehouse", stock="kept")
    report = simulate(seed=1, days=0.25, orders=orders, faults="all", rate=0.06, mix=mix)
    minutes = (time.process_time() - cpu) / 60
    faults = sum(report.faults.values())
    return {
        "orders": report.orders,
        "faults": faults,
        "is_clean": report.is_clean,
        "seconds": time.perf_counter() - began,
        "orders_per_cpu_minute": report.orders / minutes,
        "faults_per_cpu_minute": faults / minutes,
    }


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "throughput": _throughput,
    "latency": _latency,
    "shipments": _shipments,
    "simulation": _simulation,
}

if __name__ == "__main__":
    main()
