"""How long documents wait with the real daemon: an order for its Sales Order, a parcel to be told.

The whole stack runs as in production, each process by itself: code location, daemon, webserver, on
SQLite. Orders that may be posted at once are placed at an even rate; each one's latency ends when the
pipeline knows that NetSuite has saved it. A parcel's begins when the warehouse saves its Item
Fulfillment as shipped, and ends when the pipeline knows that TikTok has accepted it. The stack is idle
before the first document, so the first ones pay for the sensor's tick and the start of a run.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import sqlalchemy as sa

from benchmarks.stand import Stand, percentile, stand
from tiktok_ns_pipeline.ledger import Ledger, schema
from tiktok_ns_pipeline.ledger.facts import SALES_ORDER, SHIPMENT
from tiktok_ns_pipeline.sandbox.demo.processes import Processes, free_ports
from tiktok_ns_pipeline.sandbox.serve import HOST

ROOT = Path(__file__).parents[1]
SLOTS = 15
_One = TypeVar("_One")
_SETTLED_AFTER_S = 12.0
AT_MOST_S = 120.0
_QUICKLY_PER_S = 10.0


def latency(orders_per_s: float, seconds: float) -> dict[str, Any]:
    """Place orders at that rate for so long, and tell how long they waited."""
    with stack() as stood:
        placed = _place(stood, orders_per_s, seconds)
        waited = _waited(stood, SALES_ORDER, placed)
    return {"orders": len(placed), "orders_per_s": orders_per_s, **waiting_times(waited)}


def shipment_latency(parcels_per_s: float, seconds: float) -> dict[str, Any]:
    """Ship orders that are posted already at that rate for so long, and tell how long TikTok waited."""
    with stack() as stood:
        placed = _place(stood, _QUICKLY_PER_S, parcels_per_s * seconds / _QUICKLY_PER_S)
        _waited(stood, SALES_ORDER, placed)
        time.sleep(_SETTLED_AFTER_S)
        shipped: dict[str, float] = {}
        with httpx.Client(base_url=stood.urls.control) as control:
            for order_id in at_rate(placed, parcels_per_s):
                control.post(f"/orders/{order_id}/fulfil", json={}).raise_for_status()
                shipped[order_id] = time.time()
        waited = _waited(stood, SHIPMENT, shipped)
    return {"parcels": len(shipped), "parcels_per_s": parcels_per_s, **waiting_times(waited)}


def waiting_times(waited: list[float]) -> dict[str, Any]:
    """Seconds that documents waited, for a report."""
    return {
        "slots": SLOTS,
        "p50_s": percentile(waited, 0.5),
        "p95_s": percentile(waited, 0.95),
        "longest_s": max(waited),
    }


@contextmanager
def stack() -> Generator[Stand]:
    """A sandbox, and over it all processes of the pipeline, with nothing to do yet."""
    with stand(SLOTS) as stood:
        stood.consent()
        home = stood.folder / "dagster"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        processes = Processes(
            stood.folder / "stack.json",
            stood.folder,
            {**os.environ, **stood.environment, "DAGSTER_HOME": str(home)},
        )
        try:
            _start(processes, home)
            time.sleep(_SETTLED_AFTER_S)
            yield stood
        finally:
            processes.stop()


def at_rate(what: Iterable[_One], per_s: float) -> Iterator[_One]:
    """One after the other, so many a second."""
    began = time.time()
    for number, one in enumerate(what):
        time.sleep(max(0.0, began + number / per_s - time.time()))
        yield one


def _start(processes: Processes, home: Path) -> None:
    code_port, ui_port = free_ports(0, 0)
    python = sys.executable
    processes.run_through("prepare", [python, "-m", "tiktok_ns_pipeline.maintenance.prepare"])
    location = {"host": HOST, "port": code_port, "location_name": "tiktok_ns_pipeline"}
    workspace = home / "workspace.yaml"
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
    module = ["-m", "tiktok_ns_pipeline.definitions", "--location-name", "tiktok_ns_pipeline"]
    grpc = ["-m", "dagster", "api", "grpc", "-h", HOST, "-p", str(code_port)]
    code = processes.start("code", [python, *grpc, *module])
    processes.wait_for_port(code, code_port)
    processes.start("daemon", [python, "-m", "dagster._daemon", "run", "-w", str(workspace)])
    serve = ["-m", "dagster_webserver", "-h", HOST, "-p", str(ui_port), "-w", str(workspace)]
    pages = processes.start("webserver", [python, *serve])
    processes.wait_for_port(pages, ui_port)


def _place(stood: Stand, orders_per_s: float, seconds: float) -> dict[str, float]:
    """Order id -> when it was placed."""
    placed: dict[str, float] = {}
    began = time.time()
    with httpx.Client(base_url=stood.urls.control) as control:
        for number, order in enumerate(stood.orders()):
            due = began + number / orders_per_s
            if due >= began + seconds:
                return placed
            time.sleep(max(0.0, due - time.time()))
            now = time.time()
            answer = control.post("/orders", json=order).raise_for_status().json()
            placed[answer["order_ids"][0]] = now
    return placed


def _waited(stood: Stand, kind: str, since: dict[str, float]) -> list[float]:
    """How long each order waited for its document; RuntimeError when one still does after two minutes."""
    table = schema.links
    ends = time.time() + AT_MOST_S
    ledger = Ledger.open(stood.settings.database_url)
    try:
        while True:
            with ledger.engine.connect().execution_options(ledger_writes=False) as connection:
                known = sa.select(table.c.business_key, table.c.created_at).where(table.c.kind == kind)
                # A parcel's key begins with its order.
                done = {
                    row.business_key.partition(".")[0]: row.created_at.timestamp()
                    for row in connection.execute(known)
                }
            if done.keys() >= since.keys():
                return [done[order_id] - at for order_id, at in since.items()]
            if time.time() > ends:
                raise RuntimeError(f"{len(since.keys() - done.keys())} of {len(since)} orders still wait")
            time.sleep(1)
    finally:
        ledger.close()
