"""The simulation: the whole pipeline against the world, in virtual time, with everything going wrong.

The pipeline is the real one: real ledger and lake on disk, real clients, real flow. Only the network
is replaced by in-process calls and the wall clock by a virtual one, so that days pass in seconds and
the same seed gives the same run. A crash throws the running pipeline away at a named point and starts
another one on the same ledger and lake, as a supervisor would.

After the last day buyers stop, faults stop a little later, and the pipeline turns until nothing is
left to do. Then the judge compares the world's truth with NetSuite's books.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.orders.flow import KINDS, OrdersFlow, RunReport, RunRequest
from tiktok_ns_pipeline.runtime import Runtime, open_runtime
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan, System, rates_of
from tiktok_ns_pipeline.sandbox.judge import Judgement, judge
from tiktok_ns_pipeline.sandbox.netsuite_server import netsuite_app
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.tiktok_server import AUTH_CODE, tiktok_app
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual
from tiktok_ns_pipeline.sandbox.world import World
from tiktok_ns_pipeline.settings import NetSuiteSettings, Settings, TikTokSettings

START = datetime(2026, 8, 3, 0, 0, tzinfo=UTC)
MAPPING = Path(__file__).parents[2] / "config" / "mapping.sandbox.yaml"

_TIKTOK = "http://tiktok.sandbox"
_NETSUITE = "http://1234567-sb1.sandbox"
_RUN_S = 6 * 3600.0
_QUIET_FOR_S = 2 * 3600.0
_AT_MOST_QUIETING_S = 3 * 86_400.0

NOT_IN_ALL = frozenset({FaultKind.script_alters_value})
"""A script of the account that alters values is found and told, not healed: it has tests of its own."""


class SimulatedCrash(BaseException):
    """The pipeline's process dies at a named point. Nothing of the pipeline catches it."""


@dataclass(slots=True)
class SimulationReport:
    """What happened; `is_clean` says whether nothing is lost, doubled, wrong or unfinished."""

    seed: int
    days: float
    orders: int = 0
    posted: int = 0
    must_wait: int = 0
    cannot_be_posted: int = 0
    faults: dict[str, int] = field(default_factory=dict[str, int])
    crashes: dict[str, int] = field(default_factory=dict[str, int])
    retries: int = 0
    looked_up: int = 0
    throttled: int = 0
    amended: int = 0
    parked_by_reason: dict[str, int] = field(default_factory=dict[str, int])
    lost: int = 0
    doubled: int = 0
    wrong_cents: int = 0
    wrong_quantities: int = 0
    unconverged: int = 0
    offenders: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    netsuite_calls: int = 0
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether all five counts are zero."""
        return not (self.lost or self.doubled or self.wrong_cents or self.wrong_quantities or self.unconverged)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def simulate(
    *,
    seed: int = 0,
    days: float = 1.0,
    orders: int | None = None,
    faults: str = "all",
    rate: float = 0.02,
    poll_s: float = 60.0,
    mix: Mix | None = None,
) -> SimulationReport:
    """Simulate `days` of trade with about `orders` orders (400 a day by default).

    `faults` is `all` (every kind at `rate`), `none`, or a plan such as `netsuite.http_429=0.1`.
    """
    started = time.perf_counter()
    wanted = orders if orders is not None else int(400 * days)
    with tempfile.TemporaryDirectory(prefix="tns-simulation-") as folder:
        simulation = _Simulation(Path(folder), seed, days, wanted, _rates(faults, rate), poll_s, mix)
        report = run_virtual(simulation.run, START)
    report.seconds = round(time.perf_counter() - started, 2)
    return report


def _rates(faults: str, rate: float) -> dict[tuple[System, FaultKind], float]:
    if faults == "none":
        return {}
    rates = rates_of(f"all={rate}" if faults == "all" else faults)
    if faults == "all":
        rates = {key: value for key, value in rates.items() if key[1] not in NOT_IN_ALL}
        rates["pipeline", FaultKind.crash] = rate / 20
    return rates


class _Simulation:
    def __init__(
        self,
        folder: Path,
        seed: int,
        days: float,
        orders: int,
        rates: Mapping[tuple[System, FaultKind], float],
        poll_s: float,
        mix: Mix | None,
    ) -> None:
        self._folder = folder
        self._seed = seed
        self._days = days
        self._orders = orders
        self._rates = rates
        self._mix = mix
        self._poll_s = poll_s
        self._report = SimulationReport(seed, days)
        self._crashes: Counter[str] = Counter()

    async def run(self, clock: VirtualClock) -> SimulationReport:
        self._faults = FaultPlan(self._seed, {}, hang_s=90.0)
        self._books = Books(None, clock, slots=8, save_seconds=1.0)
        self._world = World(
            None,
            seed=self._seed,
            clock=clock,
            books=self._books,
            orders_per_minute=self._orders / (self._days * 1440),
            faults=self._faults,
            mix=self._mix,
        )
        transport = InProcessTransport(
            {
                "tiktok.sandbox": tiktok_app(self._world, self._faults),
                "1234567-sb1.sandbox": netsuite_app(self._books, self._faults, clock),
            }
        )
        settings = self._settings()
        await self._log_in(settings, clock, transport)
        for (system, kind), rate in self._rates.items():
            self._faults.set_rate(system, kind, rate)
        ends = clock.now() + timedelta(days=self._days)
        number = 0
        while clock.now() < ends:
            number += 1
            budget = min(_RUN_S, (ends - clock.now()).total_seconds())
            await self._run_once(settings, clock, transport, number, budget)
        self._world.set_rate(0)
        await self._come_to_rest(settings, clock, transport, number)
        return self._judged(settings, clock)

    async def _come_to_rest(
        self, settings: Settings, clock: VirtualClock, transport: InProcessTransport, number: int
    ) -> None:
        """Holds end and retries come due; faults go on for the first hours, then stop."""
        ends = clock.now() + timedelta(seconds=_AT_MOST_QUIETING_S)
        faults_end = clock.now() + timedelta(seconds=_QUIET_FOR_S)
        while clock.now() < ends:
            number += 1
            if clock.now() >= faults_end:
                self._faults.stop()
            await self._run_once(settings, clock, transport, number, _QUIET_FOR_S)
            if clock.now() >= faults_end and not self._unfinished(settings, clock) and not self._still_moving():
                return

    async def _run_once(
        self,
        settings: Settings,
        clock: VirtualClock,
        transport: InProcessTransport,
        number: int,
        budget_s: float,
    ) -> None:
        """One process of the pipeline, which ends by its budget or by a crash."""
        settings = replace(settings, holder=f"run-{number}")
        report: RunReport | None = None
        try:
            async with self._runtime(settings, clock, transport) as runtime:
                flow = OrdersFlow(runtime, f"run-{number}")
                report = flow.report
                await flow.run(RunRequest(budget_s=budget_s, idle_s=budget_s + 1))
        except SimulatedCrash as crash:
            self._crashes[str(crash)] += 1
            await asyncio.sleep(5)
        if report is not None:
            self._add(report)

    def _runtime(self, settings: Settings, clock: VirtualClock, transport: InProcessTransport) -> Any:
        return open_runtime(
            settings,
            clock=clock,
            transport=_Shared(transport),
            probe=self._probe,
            jitter=random.Random(f"jitter {self._seed}"),
            governor_renew_s=600.0,
        )

    def _probe(self, point: str) -> None:
        if self._faults.strikes(FaultKind.crash, "pipeline", point):
            raise SimulatedCrash(point)

    def _add(self, run: RunReport) -> None:
        self._report.retries += run.dispatch.retried
        self._report.looked_up += run.dispatch.looked_up
        self._report.throttled += run.dispatch.throttled
        self._report.amended += run.plan.revised

    async def _log_in(
        self, settings: Settings, clock: VirtualClock, transport: InProcessTransport
    ) -> None:
        async with self._runtime(settings, clock, transport) as runtime:
            opened: Runtime = runtime
            await opened.tiktok_login.exchange(AUTH_CODE)

    def _settings(self) -> Settings:
        return Settings(
            data_dir=self._folder,
            database_url=f"sqlite:///{self._folder / 'ledger.sqlite'}",
            lake_url=str(self._folder / "lake"),
            mapping_path=MAPPING,
            encryption_key=Fernet.generate_key().decode(),
            tiktok=TikTokSettings(APP_KEY, APP_SECRET, _TIKTOK, _TIKTOK),
            netsuite=NetSuiteSettings(
                account="1234567_SB1",
                base_url=_NETSUITE,
                auth="oauth2",
                client_id="sandbox-client-id",
                certificate_id="sandbox-cert-es256",
                private_key=self._books.auth.client_private_key_pem("ES256"),
                slots=6,
                timeout_s=30.0,
            ),
            durable=False,
            holder="simulation",
            poll_s=self._poll_s,
            items_refresh_s=4 * 3600.0,
        )

    def _unfinished(self, settings: Settings, clock: VirtualClock) -> int:
        """Intents that are neither applied, superseded nor parked, and records not read back."""
        ledger = Ledger.open(settings.database_url, clock)
        with ledger.read() as tx:
            open_states = [
                count
                for state, count in tx.intents.counts().items()
                if state in {"planned", "sending", "ambiguous", "waiting"}
            ]
            unread = len(tx.links.not_read_back("so"))
        ledger.close()
        return sum(open_states) + unread

    def _still_moving(self) -> bool:
        """Whether an order may still become postable."""
        return any(
            truth.status in {"ON_HOLD", "UNPAID"} and not truth.expected_parked for truth in self._world.truth()
        )

    def _judged(self, settings: Settings, clock: VirtualClock) -> SimulationReport:
        found: Judgement = judge(self._world.truth(), self._books.records("salesOrder"))
        report = self._report
        report.orders = found.orders
        report.posted = found.posted
        report.must_wait = found.must_wait
        report.cannot_be_posted = found.cannot_be_posted
        report.lost = len(found.lost)
        report.doubled = len(found.doubled)
        report.wrong_cents = len(found.wrong_cents)
        report.wrong_quantities = len(found.wrong_quantities)
        report.offenders = {
            name: getattr(found, name)[:20]
            for name in ("lost", "doubled", "wrong_cents", "wrong_quantities")
            if getattr(found, name)
        }
        report.faults = self._faults.by_kind()
        report.crashes = dict(self._crashes)
        ledger = Ledger.open(settings.database_url, clock)
        with ledger.read() as tx:
            unresolved = tx.exceptions.list()
        ledger.close()
        report.parked_by_reason = dict(Counter(exception.kind for exception in unresolved))
        expected = {truth.order_id for truth in self._world.truth() if truth.expected_parked}
        stuck = [e for e in unresolved if e.subject.removeprefix("order ") not in expected]
        told = {e.subject.removeprefix("order ") for e in unresolved}
        report.unconverged = self._unfinished(settings, clock) + len(stuck) + len(expected - told)
        if stuck:
            report.offenders["stuck"] = [f"{e.kind}: {e.message}"[:300] for e in stuck[:10]]
        return report


class _Shared(InProcessTransport):
    """The world's side of the network outlives a pipeline that closes its client."""

    def __init__(self, transport: InProcessTransport) -> None:
        super().__init__({})
        self._transport = transport

    async def handle_async_request(self, request: Any) -> Any:
        """Hand the request on."""
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """The servers go on."""
