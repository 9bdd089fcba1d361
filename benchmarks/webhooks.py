"""Whether the receiver of webhooks holds 500 events a second, and how long TikTok waits for an answer.

    python -m benchmarks.webhooks --json [--quick] [--postgres]

The receiver is a real process with durable commits. Events come at an even rate over keep-alive
connections, whether answers come or not (an open loop, so that waiting is counted from the instant at
which the event was due); 5 % are sent twice, 1 % are forged. The yardstick is a bare Starlette
application that reads the body and answers, in a process of its own, under the same load by the same
sender: what it takes is the machine's and the sender's share, not the receiver's.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.figures import rounded
from benchmarks.stand import percentile, postgresql, seconds_of_cpu
from tiktok_ns_pipeline.ledger import Ledger, schema
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, SHOPS
from tiktok_ns_pipeline.sandbox.demo.processes import Processes, Started, free_ports
from tiktok_ns_pipeline.sandbox.serve import HOST

EVENTS_PER_S = 500
DUPLICATES = 0.05
FORGED = 0.01
_CONNECTIONS = 64
_WARM_UP = 50
_ECHO = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def take(request):
    await request.body()
    return Response(status_code=200)

app = Starlette(routes=[Route("/", take, methods=["POST"])])
"""


@dataclass(frozen=True)
class Request:
    """One request, ready to be written to a socket."""

    text: bytes
    is_forged: bool


@dataclass
class Answered:
    """What came back: statuses and, from when each event was due, seconds until its answer."""

    statuses: dict[int, int] = field(default_factory=dict)
    wrong: int = 0
    seconds: list[float] = field(default_factory=list)
    late_sends: int = 0
    """Sent more than 50 ms after they were due, because the sender itself was late."""
    whole_s: float = 0.0

    def note(self, request: Request, status: int, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        self.wrong += status != (401 if request.is_forged else 200)


def webhooks(seconds: float, database_url: str | None = None) -> dict[str, Any]:
    """The receiver and the yardstick under the same load."""
    requests, distinct = _requests(int(EVENTS_PER_S * seconds), seed=1)
    with tempfile.TemporaryDirectory(prefix="tns-webhooks-") as name:
        folder = Path(name)
        url = database_url or f"sqlite:///{folder / 'ledger.sqlite'}"
        with _receiver(folder, url) as (process, port):
            before = seconds_of_cpu(process)
            ours = asyncio.run(_send(port, requests))
            cpu_s = seconds_of_cpu(process) - before
            counts = httpx.get(f"http://{HOST}:{port}/metrics").json()
        stored = _stored(url)
        with _echo(folder) as (process, port):
            before = seconds_of_cpu(process)
            bare = asyncio.run(_send(port, requests))
            bare_cpu_s = seconds_of_cpu(process) - before
    if stored != distinct:
        raise RuntimeError(f"{stored} events are stored of {distinct} genuine ones")
    if ours.wrong:
        raise RuntimeError(f"{ours.wrong} answers were not what they had to be: {ours.statuses}")
    sent = len(requests)
    return {
        "database": "postgresql" if database_url else "sqlite",
        "seconds": seconds,
        "sent": sent,
        "distinct_genuine": distinct,
        "stored": stored,
        "duplicates": counts["duplicates"],
        "forged_refused": counts["forged"] - _WARM_UP,
        "statuses": {str(status): count for status, count in sorted(ours.statuses.items())},
        "events_per_s": sent / ours.whole_s,
        "sent_late": ours.late_sends,
        **_latencies(ours),
        "cpu_ms_per_event": 1000 * cpu_s / sent,
        "bare_events_per_s": sent / bare.whole_s,
        **{f"bare_{name}": value for name, value in _latencies(bare).items()},
        "bare_cpu_ms_per_event": 1000 * bare_cpu_s / sent,
        "p50_to_bare": percentile(ours.seconds, 0.5) / percentile(bare.seconds, 0.5),
        "p99_to_bare": percentile(ours.seconds, 0.99) / percentile(bare.seconds, 0.99),
        "cpu_to_bare": cpu_s / bare_cpu_s,
    }


def _latencies(answered: Answered) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {f"{name}_ms": 1000 * percentile(answered.seconds, share) for name, share in shares.items()}
    return {**found, "max_ms": 1000 * max(answered.seconds)}


def _requests(count: int, seed: int) -> tuple[list[Request], int]:
    """So many requests in the order of sending, and how many distinct genuine events are among them."""
    chance = random.Random(f"webhooks {seed}")
    requests: list[Request] = []
    bodies: list[bytes] = []
    for number in range(count):
        draw = chance.random()
        if bodies and draw < DUPLICATES:
            # A retry follows soon, and by chance at the same moment on another connection.
            body = bodies[-chance.randint(1, min(len(bodies), 1_000))]
        elif draw < DUPLICATES + FORGED:
            requests.append(_request(_body(chance, count + number), "somebody-else"))
            continue
        else:
            bodies.append(body := _body(chance, number))
        requests.append(_request(body, APP_SECRET))
    return requests, len(bodies)


def _body(chance: random.Random, number: int) -> bytes:
    at = 1_785_758_400 + number // EVENTS_PER_S
    order_id = f"5764{chance.randrange(10**14):014}"
    kinds: Sequence[tuple[int, dict[str, Any]]] = (
        (1, {"order_id": order_id, "order_status": "AWAITING_SHIPMENT", "is_on_hold_order": False}),
        (1, {"order_id": order_id, "order_status": "CANCEL", "is_on_hold_order": False}),
        (3, {"order_id": order_id}),
        (
            11,
            {
                "order_id": order_id,
                "cancel_id": f"4035{number:015}",
                "cancel_status": "CANCELLATION_REQUEST_SUCCESS",
            },
        ),
    )
    kind, data = chance.choices(kinds, (80, 5, 5, 10))[0]
    event = {
        "type": kind,
        "tts_notification_id": f"7380{number:015}",
        "shop_id": SHOPS[0].id,
        "timestamp": at,
        "data": {**data, "update_time": at},
    }
    return json.dumps(event, separators=(",", ":")).encode()


def _request(body: bytes, secret: str) -> Request:
    digest = hmac.new(secret.encode(), APP_KEY.encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Authorization: {digest}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Request(head.encode() + body, secret != APP_SECRET)


async def _send(port: int, requests: Sequence[Request]) -> Answered:
    """Each request at its instant, on whichever connection is free."""
    answered = Answered()
    due: asyncio.Queue[tuple[float, Request]] = asyncio.Queue()
    began = time.monotonic() + 0.2

    async def work() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while True:
            at, request = await due.get()
            answered.late_sends += time.monotonic() - at > 0.05
            writer.write(request.text)
            status = await _status(reader)
            answered.note(request, status, time.monotonic() - at)
            due.task_done()

    workers = [asyncio.create_task(work()) for _ in range(_CONNECTIONS)]
    for number, request in enumerate(requests):
        at = began + number / EVENTS_PER_S
        if (wait := at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait((at, request))
    await due.join()
    answered.whole_s = time.monotonic() - began
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return answered


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    lengths = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
    if lengths and int(lengths[0]):
        await reader.readexactly(int(lengths[0]))
    return int(lines[0].split()[1])


@contextmanager
def _receiver(folder: Path, database_url: str) -> Generator[tuple[Started, int]]:
    command = ["-m", "tiktok_ns_pipeline.cli", "webhooks", "serve"]
    environment = {
        "TNS_DATABASE_URL": database_url,
        "TNS_TIKTOK_APP_KEY": APP_KEY,
        "TNS_TIKTOK_APP_SECRET": APP_SECRET,
    }
    with _serving(folder, "receiver", command, environment) as served:
        yield served


@contextmanager
def _echo(folder: Path) -> Generator[tuple[Started, int]]:
    (folder / "bare_echo.py").write_text(_ECHO)
    command = ["-m", "uvicorn", "bare_echo:app", "--app-dir", str(folder), "--no-access-log"]
    with _serving(folder, "echo", command, {}) as served:
        yield served


@contextmanager
def _serving(
    folder: Path, name: str, command: list[str], environment: dict[str, str]
) -> Generator[tuple[Started, int]]:
    (port,) = free_ports(0)
    processes = Processes(folder / f"{name}.json", folder, {**os.environ, **environment})
    try:
        one = processes.start(name, [sys.executable, *command, "--host", HOST, "--port", str(port)])
        processes.wait_for_port(one, port)
        # What is imported with the first request is not what is measured.
        asyncio.run(_send(port, [_request(b"{}", "warm-up")] * _WARM_UP))
        yield one, port
    finally:
        processes.stop()


def _stored(database_url: str) -> int:
    ledger = Ledger.open(database_url)
    with ledger.engine.connect().execution_options(ledger_writes=False) as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(schema.webhook_inbox)).scalar_one()
    ledger.close()
    return count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--quick", action="store_true", help="5 seconds instead of 60")
    parser.add_argument("--postgres", action="store_true", help="the ledger on PostgreSQL as well")
    options = parser.parse_args()
    seconds = 5 if options.quick else 60
    results = [webhooks(seconds)]
    if options.postgres:
        with ExitStack() as opened:
            results.append(webhooks(seconds, opened.enter_context(postgresql())))
    report = rounded({"events_per_s": EVENTS_PER_S, "runs": results})
    if options.json:
        print(json.dumps(report))
    else:
        for run in report["runs"]:
            print("\n".join(f"{name:24}{value}" for name, value in run.items()), end="\n\n")


if __name__ == "__main__":
    main()
