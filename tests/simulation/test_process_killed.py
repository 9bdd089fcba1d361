"""The real process, over real HTTP, is killed in the middle of its work again and again.

What the simulation does in virtual time with a pretended crash is done here with SIGKILL: no handler
runs, no transaction ends, no connection is closed. Whoever starts next finds only ledger and lake.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.intents import OPEN, IntentState
from tiktok_ns_pipeline.runtime import open_runtime
from tiktok_ns_pipeline.sandbox.catalogue import AUTH_CODE
from tiktok_ns_pipeline.sandbox.demo.settings import sandbox_environment, write_environment
from tiktok_ns_pipeline.sandbox.judge import judge
from tiktok_ns_pipeline.sandbox.rig import MAPPING
from tiktok_ns_pipeline.sandbox.serve import RunningSandbox, SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.settings import Settings

ORDERS = 60
KILLS = 4

# An hour of hold lasts half a second; what buyers change comes within five.
SPEED = 7_200.0
ALL_HAPPENED_S = 6.0
NETSUITE = "netsuite"


@dataclass
class Pipeline:
    """`tiktok-ns sync orders` as a process of its own."""

    run: RunningSandbox
    environment: Mapping[str, str]
    log: Path
    chance: random.Random
    left_sending: int = field(default=0)
    """What was under way in the processes that were killed."""

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "tiktok_ns_pipeline.cli", "sync", "orders"]
        with (
            self.log.open("ab") as out,
            subprocess.Popen(command, env=dict(self.environment), stdout=out, stderr=out) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def be_killed(self) -> None:
        """Start, and die some requests and some milliseconds later."""
        asked = self.run.sandbox.faults.asked
        with self.process() as process:
            enough = asked[NETSUITE] + self.chance.randint(5, 20)
            while asked[NETSUITE] < enough:
                assert process.poll() is None, self.log.read_text()
                time.sleep(0.005)
            time.sleep(self.chance.uniform(0, 0.25))
            process.kill()
            process.wait()
        self.left_sending += self.counts().get(IntentState.SENDING, 0)

    def run_to_the_end(self) -> None:
        with self.process() as process:
            assert process.wait(timeout=60) == 0, self.log.read_text()

    def counts(self) -> dict[IntentState, int]:
        ledger = Ledger.open(Settings.from_environment(self.environment).database_url)
        with ledger.read() as tx:
            counts = tx.intents.counts()
        ledger.close()
        return counts

    @property
    def is_done(self) -> bool:
        return not any(self.counts().get(state, 0) for state in OPEN)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1])
def test_killed_again_and_again_it_loses_and_doubles_nothing(
    ledger_url: str, tmp_path: Path, seed: int
) -> None:
    # Strays are left out: every order can and must be posted in the end.
    mix = Mix(stray=0.0, line_cancelled=0.2, address_changed=0.2, shipped_by="nobody")
    options = SandboxOptions(
        seed=seed, speed=SPEED, netsuite_slots=8, netsuite_save_s=0.2, hang_s=1.0, mix=mix
    )
    with running_sandbox(options) as run:
        pipeline = _pipeline(run, tmp_path, ledger_url, seed)
        world = run.sandbox.world
        for _ in range(KILLS):
            world.draw_orders(ORDERS // KILLS)
            pipeline.be_killed()
        last_placed = time.monotonic()
        pipeline.run_to_the_end()
        while not pipeline.is_done or time.monotonic() < last_placed + ALL_HAPPENED_S:
            pipeline.run_to_the_end()
        found = judge(world.truth(), run.sandbox.books.records("salesOrder"))
    assert found.is_clean, found
    assert found.orders == ORDERS
    assert found.posted > ORDERS * 0.8
    # Else it was never killed in the middle of anything.
    assert pipeline.left_sending > KILLS


def _pipeline(run: RunningSandbox, folder: Path, ledger_url: str, seed: int) -> Pipeline:
    file = folder / "environment"
    write_environment(file, run.urls, run.sandbox.books.auth.client_private_key_pem())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TNS_")}
    environment = {
        **kept,
        **sandbox_environment(run.urls, file),
        "TNS_MAPPING": str(MAPPING),
        "TNS_DATA_DIR": str(folder / "data"),
        "TNS_DATABASE_URL": ledger_url,
        "TNS_NETSUITE_SLOTS": "5",
        "TNS_POLL_SECONDS": "0.2",
        "TNS_IDLE_SECONDS": "1",
        # The next process need not wait long for what the dead one had claimed.
        "TNS_LEASE_SECONDS": "2",
        # Next to none, so that a watermark that moved too early would lose orders.
        "TNS_OVERLAP_SECONDS": "2",
    }

    async def consent() -> None:
        async with open_runtime(Settings.from_environment(environment)) as runtime:
            await runtime.tiktok_login.exchange(AUTH_CODE)

    asyncio.run(consent())
    return Pipeline(run, environment, folder / "log", random.Random(f"kills {seed}"))
