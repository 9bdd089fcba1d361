"""A receiver on a real socket, as TikTok meets it, and events as TikTok signs them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.inbox import InboxEvent
from tiktok_ns_pipeline.tiktok.auth import TikTokApp
from tiktok_ns_pipeline.webhooks.receiver import receiver_app

APP = TikTokApp("sandboxappkey", "sandbox-app-secret-0001")
SHOP_ID = "7495000000000000001"


def body_of(number: int, **changes: Any) -> bytes:
    """A type 1 event about order `number`."""
    data = {
        "order_id": f"5764{number:014}",
        "order_status": "AWAITING_SHIPMENT",
        "is_on_hold_order": False,
        "update_time": 1785758400 + number,
    }
    event = {
        "type": 1,
        "tts_notification_id": f"7380{number:015}",
        "shop_id": SHOP_ID,
        "timestamp": 1785758400 + number,
        "data": data,
    }
    return json.dumps({**event, **changes}, separators=(",", ":")).encode()


def signed(body: bytes, secret: str = APP.app_secret, key: str = APP.app_key) -> dict[str, str]:
    """Headers as TikTok sends them, signed by the rule of T 8.2 written out once more."""
    digest = hmac.new(secret.encode(), key.encode() + body, hashlib.sha256).hexdigest()
    return {"Authorization": digest, "Content-Type": "application/json"}


@dataclass(frozen=True)
class Served:
    """A receiver that answers on loopback."""

    url: str
    ledger: Ledger

    def post(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/") -> int:
        return httpx.post(f"{self.url}{path}", content=body, headers=headers or signed(body)).status_code

    def counts(self) -> dict[str, int]:
        return httpx.get(f"{self.url}/metrics").json()

    def waiting(self, flow: str = "orders") -> list[InboxEvent]:
        with self.ledger.read() as tx:
            return tx.inbox.take(flow, 10_000)


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def serving(ledger: Ledger, **options: Any) -> Iterator[Served]:
    config = uvicorn.Config(receiver_app(ledger, APP, **options), port=0, log_config=None, access_log=False)
    server = _Quiet(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}", ledger)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def receiver(ledger: Ledger) -> Iterator[Served]:
    with serving(ledger) as served:
        yield served


@pytest.fixture
def small_receiver(tmp_path: Any, clock: SetClock) -> Iterator[Served]:
    """On SQLite alone, for what is no matter of the database."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}", clock)
    with serving(ledger) as served:
        yield served
    ledger.close()


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """The jobs, each in a thread, and what each gave back."""
    results: list[Any] = [None] * len(jobs)

    def work(index: int) -> None:
        results[index] = jobs[index]()

    threads = [threading.Thread(target=work, args=[index]) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
