"""The receiver as a process of its own: two on one database, stopped and killed under load."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.webhooks.conftest import APP, at_once, body_of, signed
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox


class Process:
    """`tiktok-ns webhooks serve` on a free port."""

    def __init__(self, database_url: str, folder: Path) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("TNS_")}
        environment = {
            **kept,
            "TNS_DATABASE_URL": database_url,
            "TNS_TIKTOK_APP_KEY": APP_KEY,
            "TNS_TIKTOK_APP_SECRET": APP.app_secret,
            "COLUMNS": "200",
        }
        command = [sys.executable, "-m", "tiktok_ns_pipeline.cli", "webhooks", "serve", "--port", "0"]
        self.log = folder / f"receiver-{time.monotonic_ns()}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            if found := re.search(r"http://\S+", self.log.read_text()):
                self.url = found[0]
                break
            time.sleep(0.05)

    def post(self, client: httpx.Client, number: int) -> int:
        """The answer to event `number`; 0 when there was none."""
        body = body_of(number)
        try:
            return client.post(self.url, content=body, headers=signed(body)).status_code
        except httpx.HTTPError:
            return 0

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=30)


class Load:
    """Posts events from several connections until stopped; remembers which were answered 200."""

    def __init__(self, process: Process, connections: int = 8) -> None:
        self.accepted: list[int] = []
        self.answers: set[int] = set()
        self._process = process
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._stopping.is_set():
                number = next(self._numbers)
                answer = self._process.post(client, number)
                self.answers.add(answer)
                if answer == 200:
                    self.accepted.append(number)
                elif answer == 0:
                    return

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def stored(database_url: str) -> list[str]:
    ledger = Ledger.open(database_url)
    with ledger.read() as tx:
        subjects = [event.subject for event in tx.inbox.take("orders", 100_000)]
    ledger.close()
    return subjects


@pytest.fixture
def process(ledger_url: str, tmp_path: Path) -> Iterator[Process]:
    started = Process(ledger_url, tmp_path)
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_of_what_was_answered_200_nothing_is_lost(
    process: Process, ledger_url: str, how: signal.Signals
) -> None:
    load = Load(process)
    while len(load.accepted) < 150:
        time.sleep(0.01)
    code = process.end(how)
    load.stop()
    assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    subjects = stored(ledger_url)
    assert {f"order 5764{number:014}" for number in load.accepted} <= set(subjects)
    assert len(subjects) == len(set(subjects))
    assert load.answers <= {200, 0}


def test_two_receivers_on_one_database_keep_each_event_once(postgres_database: str, tmp_path: Path) -> None:
    receivers = [Process(postgres_database, tmp_path) for _ in range(2)]
    answers: list[int] = []

    def post(receiver: Process, numbers: list[int]) -> None:
        with httpx.Client(timeout=10) as client:
            answers.extend(receiver.post(client, number) for number in numbers)

    numbers = list(range(120))
    at_once(
        [
            lambda receiver=receiver, numbers=order: post(receiver, numbers)
            for receiver in receivers
            for order in (numbers, numbers[::-1])
        ]
    )
    assert answers == [200] * 480
    assert sorted(stored(postgres_database)) == [f"order 5764{number:014}" for number in numbers]
    counts = [httpx.get(f"{receiver.url}/metrics").json() for receiver in receivers]
    assert sum(count["stored"] for count in counts) == 120
    assert sum(count["duplicates"] for count in counts) == 360
    assert [receiver.end() for receiver in receivers] == [0, 0]


def test_the_sandbox_posts_to_a_receiver_on_this_machine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    receiver = Process(url, tmp_path)
    with running_sandbox(SandboxOptions()) as running:
        running.sandbox.webhooks.default_address = f"{receiver.url}/webhooks/tiktok"
        order_id = httpx.post(f"{running.urls.control}/orders", json={"lines": ["SKU-001"]}).json()[
            "order_ids"
        ][0]
        deadline = time.monotonic() + 20
        while not stored(url):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert httpx.get(f"{running.urls.control}/stats").json()["webhooks"]["delivered"] == 1
    assert stored(url) == [f"order {order_id}"]
    assert receiver.end() == 0


def test_a_port_that_is_taken_is_said_in_one_line(process: Process) -> None:
    port = process.url.rpartition(":")[2]
    command = [sys.executable, "-m", "tiktok_ns_pipeline.cli", "webhooks", "serve", "--port", port]
    environment = {**os.environ, "TNS_TIKTOK_APP_KEY": "key", "TNS_TIKTOK_APP_SECRET": "s"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: 127.0.0.1:{port} is taken; choose another port"


def test_the_log_tells_nothing_of_events_and_no_secret(process: Process) -> None:
    with httpx.Client() as client:
        assert process.post(client, 1) == 200
        assert client.post(process.url, content=b"{}", headers={"Authorization": "f0f0"}).status_code == 401
    assert process.end() == 0
    text = process.log.read_text()
    assert "5764" not in text
    assert "f0f0" not in text
    assert APP.app_secret not in text
