"""The simulation: the whole pipeline against the world, in virtual time, with everything going wrong.

The pipeline is the real one: real ledger and lake on disk, real clients, real flow. Only the network
is replaced by in-process calls and the wall clock by a virtual one, so that days pass in seconds and
the same seed gives the same run. A crash throws the running pipeline away at a named point and starts
another one on the same ledger and lake, as a supervisor would.

TikTok keeps stock of all that is sold, and others move it in NetSuite: people count, goods arrive,
other channels sell. Of a few items there is little, and only TikTok sells them.

After the last day buyers stop, faults stop a little later, and the pipeline turns until nothing is
left to do. Then months pass: buyers send back, TikTok settles, pays, and shows some statements wrongly;
faults are back until the last days, in which it mends what had only not come whole.

Then the judges compare the world's truth with NetSuite's books and with what TikTok was told and shows.
That the books of stock add up is looked at after every process, dead ones too.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from tiktok_ns_pipeline.engine.dispatcher import DispatchReport
from tiktok_ns_pipeline.ledger.intents import UNDER_WAY, UNSENT, IntentState
from tiktok_ns_pipeline.sandbox.facts import ZERO
from tiktok_ns_pipeline.sandbox.faults import FaultKind, System, rates_of
from tiktok_ns_pipeline.sandbox.judge_exceptions import Happened, judge_exceptions
from tiktok_ns_pipeline.sandbox.judge_stock import OversoldTally
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits, StatementFault
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.simulation_report import SimulationReport
from tiktok_ns_pipeline.sandbox.statements import PROCESSING
from tiktok_ns_pipeline.sandbox.stockroom import StockroomHabits
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual
from tiktok_ns_pipeline.sandbox.warehouse import WarehouseHabits

START = datetime(2026, 8, 3, 0, 0, tzinfo=UTC)

SPEED = 4.0
"""Holds, picking and shipping take a quarter of their time: days that only wait show nothing new."""

SCARCE = ("302", "305", "309", "310", "313", "314", "315", "316")
"""Items of which there is little, though some of them are popular. Two of them are listed twice."""
_LITTLE = 1
_READ_EVERY_MIN = 15
"""As rarely as all stock can be read; what moves in between is seen by the transactions that moved it."""
_PLENTY = tuple(item for item in map(str, range(301, 341)) if item not in SCARCE)

_PEOPLE = WarehouseHabits(until_picked=(8 * 3600.0, 16 * 3600.0))
"""Slower to pick than usual, so that buyers can still change their orders."""

_RUN_S = 2 * 3600.0
_OPENING_S = 300.0
_QUIET_FOR_S = 3600.0
_QUIET_RUN_S = 6 * 3600.0
_QUIET_POLL_S = 3_600.0
_LAST_LOOK_S = 2 * _QUIET_POLL_S
_AT_MOST_QUIETING_S = 3 * 86_400.0

_DAY_S = 86_400.0
_MONEY_RUN_S = 5 * _DAY_S
_MONEY_POLL_S = 16 * 3600.0
_MONEY_READ_S = 6 * 3600.0
_FAULTS_WITH_MONEY = timedelta(days=16)
_MOST_MONEY = timedelta(days=75)
_GOODS_WAIT_DAYS = 6
"""Parcels are faster than the clock, too; whoever waits for one need not wait for a month."""

LIVELY = SettlementHabits(
    # Whatever is refunded was asked for: by a return.
    refunded=0.0,
    adjusted=0.15,
    reserved=0.15,
    statement_late=0.1,
    payment_failed=0.05,
    odd_adjustments=0.2,
    faults={
        StatementFault.unknown_fee: 0.03,
        StatementFault.unknown_type: 0.02,
        StatementFault.cent_off_transaction: 0.05,
        StatementFault.cent_off_statement: 0.05,
        StatementFault.late_rows: 0.05,
        StatementFault.moving_pages: 0.05,
        StatementFault.blank_zeros: 0.2,
        StatementFault.duplicate_statement: 0.1,
    },
)
"""What happens to the money."""

_MENDED = (StatementFault.late_rows, StatementFault.moving_pages, StatementFault.cent_off_transaction)
"""Ways in which TikTok shows a statement wrongly only for a while."""

NOT_IN_ALL = frozenset({FaultKind.script_alters_value})
"""A script of the account that alters values is found and told, not healed: it has tests of its own."""


def simulate(
    *,
    seed: int = 0,
    days: float = 1.0,
    orders: int | None = None,
    faults: str = "all",
    rate: float = 0.02,
    poll_s: float = 120.0,
    mix: Mix | None = None,
    webhooks: bool = True,
) -> SimulationReport:
    """Simulate `days` of trade with about `orders` orders (400 a day by default).

    `faults` is `all` (every kind at `rate`), `none`, or a plan such as `netsuite.http_429=0.1`. Without
    `webhooks` polling alone has to do.
    """
    started = time.perf_counter()
    # The retry library takes its jitter from here.
    random.seed(seed)
    wanted = orders if orders is not None else int(400 * days)
    with tempfile.TemporaryDirectory(prefix="tns-simulation-") as folder:
        simulation = _Simulation(
            Path(folder), seed, days, wanted, _rates(faults, rate), poll_s, mix, webhooks
        )
        report = run_virtual(simulation.run, START)
    report.seconds = round(time.perf_counter() - started, 2)
    return report


def _rates(faults: str, rate: float) -> dict[tuple[System, FaultKind], float]:
    if faults == "none":
        return {}
    rates = rates_of(f"all={rate}" if faults == "all" else faults)
    if faults == "all":
        rates = {key: value for key, value in rates.items() if key[1] not in NOT_IN_ALL}
        rates["pipeline", FaultKind.crash] = rate / 30
        # Few requests amend, so that a rate like the others' would hardly ever strike.
        rates["netsuite", FaultKind.record_changed] = min(1.0, rate * 10)
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
        webhooks: bool,
    ) -> None:
        self._folder = folder
        self._seed = seed
        self._days = days
        self._orders = orders
        self._rates = rates
        self._mix = mix or Mix(
            shipped_by="warehouse", stock="kept", settles=True, settlement=LIVELY, returned=0.25
        )
        self._poll_s = poll_s
        self._webhooks = webhooks
        self._report = SimulationReport(seed, days)
        self._crashes: Counter[str] = Counter()
        self._oversold = OversoldTally()
        self._refused: set[str] = set()

    async def run(self, clock: VirtualClock) -> SimulationReport:
        rig = Rig(
            self._folder,
            clock,
            seed=self._seed,
            mix=self._mix,
            poll_s=self._poll_s,
            speed=SPEED,
            warehouse=_PEOPLE if self._mix.shipped_by == "warehouse" else None,
            stockroom=StockroomHabits(items=_PLENTY) if self._mix.stock == "kept" else None,
        )
        rig.settings = replace(rig.settings, mapping_path=self._mapping(), money_refresh_s=_MONEY_READ_S)
        for item in SCARCE if self._mix.stock == "kept" else ():
            for location in StockroomHabits().locations:
                rig.books.set_stock(item, location, _LITTLE)
        await rig.log_in()
        if self._mix.stock == "kept":
            # Nobody can buy before the shops show what there is.
            await self._run_once(rig, _OPENING_S)
        rig.world.set_rate(self._orders / (self._days * 1440))
        self._let_things_go_wrong(rig)
        begins = clock.now()
        async with self._told_by_webhooks(rig, min(20.0, self._poll_s)):
            ends = begins + timedelta(days=self._days)
            while clock.now() < ends:
                await self._run_once(rig, min(_RUN_S, (ends - clock.now()).total_seconds()))
            rig.world.set_rate(0)
            await self._come_to_rest(rig, clock)
        if self._mix.settles:
            async with self._told_by_webhooks(rig, _MONEY_POLL_S / 8):
                await self._let_months_pass(rig, clock)
        self._report.months = round((clock.now() - begins) / timedelta(days=30), 2)
        return self._judged(rig)

    def _let_things_go_wrong(self, rig: Rig) -> None:
        for (system, kind), rate in self._rates.items():
            rig.faults.set_rate(system, kind, rate)

    def _told_by_webhooks(self, rig: Rig, look_again_s: float) -> AbstractAsyncContextManager[object]:
        return rig.webhooks(look_again_s=look_again_s) if self._webhooks else nullcontext()

    def _mapping(self) -> Path:
        mapping = yaml.safe_load(MAPPING.read_text())
        mapping["stock"]["snapshot_minutes"] = _READ_EVERY_MIN
        mapping["refunds"]["goods_wait_days"] = _GOODS_WAIT_DAYS
        written = self._folder / "mapping.yaml"
        written.write_text(yaml.safe_dump(mapping))
        return written

    async def _come_to_rest(self, rig: Rig, clock: VirtualClock) -> None:
        """Holds end and retries come due; faults go on for the first hours, then stop."""
        ends = clock.now() + timedelta(seconds=_AT_MOST_QUIETING_S)
        faults_end = clock.now() + timedelta(seconds=_QUIET_FOR_S)
        while clock.now() < ends:
            quiet = clock.now() >= faults_end
            if quiet:
                rig.faults.stop()
                if rig.stockroom is not None:
                    rig.stockroom.go_home()
                # What is left to happen takes hours; looking every other minute would show nothing more.
                rig.settings = replace(rig.settings, poll_s=max(self._poll_s, _QUIET_POLL_S))
            moved = _still_moving(rig)
            budget = _QUIET_FOR_S if not quiet else _QUIET_RUN_S if moved else _LAST_LOOK_S
            await self._run_once(rig, budget)
            # What moved last, a minute before the run ended, nobody has looked at yet.
            if quiet and not moved and not _unfinished(rig) and not _still_moving(rig):
                return

    async def _let_months_pass(self, rig: Rig, clock: VirtualClock) -> None:
        """Goods come back and money arrives, until nothing is owed that still moves."""
        rig.settings = replace(rig.settings, poll_s=_MONEY_POLL_S)
        self._let_things_go_wrong(rig)
        begins, is_quiet = clock.now(), False
        while clock.now() < begins + _MOST_MONEY:
            await self._run_once(rig, _MONEY_RUN_S)
            moves = _money_moves(rig)
            if is_quiet and not moves and not _unfinished(rig) and not _still_moving(rig):
                return
            if not is_quiet and (not moves or clock.now() - begins >= _FAULTS_WITH_MONEY):
                is_quiet = True
                rig.faults.stop()
                for kind in _MENDED:
                    rig.world.finance.heal(kind)

    async def _run_once(self, rig: Rig, budget_s: float) -> None:
        """One process of the pipeline, which ends by its budget or by a crash."""
        try:
            await rig.run_all(budget_s=budget_s, idle_s=budget_s + 1)
        except SimulatedCrash as crash:
            self._crashes[str(crash)] += 1
            await asyncio.sleep(5)
        for flow in rig.flows:
            for dispatch in flow.dispatched:
                self._add(dispatch)
            self._report.amended += flow.orders.report.plan.revised
            self._report.levels_pushed += flow.stock.report.pushes.levels
        rig.flows.clear()
        self._look_at_stock(rig)

    def _look_at_stock(self, rig: Rig) -> None:
        ledger = rig.ledger()
        with ledger.read() as tx:
            wrong = tx.stock.verify()
        ledger.close()
        self._report.unbalanced += len(wrong)
        self._report.offend("unbalanced", [str(one) for one in wrong])
        if self._mix.stock == "kept":
            self._oversold.look(rig.judged_stock())

    def _add(self, dispatch: DispatchReport) -> None:
        self._report.retries += dispatch.retried
        self._report.looked_up += dispatch.looked_up
        self._report.throttled += dispatch.throttled

    def _judged(self, rig: Rig) -> SimulationReport:
        found = rig.judged()
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
        follow_ups = rig.judged_follow_ups()
        report.units_told = follow_ups.told
        report.closed = follow_ups.closed
        report.cancelled_too_late = follow_ups.too_late
        report.bills = follow_ups.bills
        report.wrong_follow_ups = {name: len(orders) for name, orders in follow_ups.faults.items()}
        report.offenders |= {name: orders[:20] for name, orders in follow_ups.faults.items()}
        self._judge_stock(rig)
        self._judge_money(rig)
        report.faults = rig.faults.by_kind()
        report.netsuite_calls = rig.faults.asked["netsuite"]
        report.crashes = dict(self._crashes)
        self._judge_exceptions(rig)
        return report

    def _judge_stock(self, rig: Rig) -> None:
        """What TikTok shows, when all is quiet, is what can be promised."""
        if self._mix.stock != "kept":
            return
        found, report = rig.judged_stock(), self._report
        self._oversold.look(found)
        report.oversold_units = int(self._oversold.units)
        report.wrong_levels = len(found.disagreements)
        report.turned_away_units = rig.world.stock.turned_away.total()
        self._report.offend("oversold", [f"{shelf}: {units}" for shelf, units in found.oversold.items()])
        self._report.offend("wrong_levels", [f"{one.slot}: {one.should}" for one in found.disagreements])

    def _judge_money(self, rig: Rig) -> None:
        """Every payout that TikTok shows rightly is in the books once, and every refund."""
        if not self._mix.settles:
            return
        report, happened = self._report, Happened(rig)
        posted = rig.judged_settlements()
        # A fault that a statement has no amount for does not show: its payout is posted like others.
        self._refused = happened.refused & set(posted.missing)
        report.payouts_refused = len(self._refused)
        found = rig.judged_settlements(self._refused | happened.must_be_refused)
        report.statements = sum(
            len(rig.world.finance.store.statements(shop)) for shop in rig.world.finance.truth().shops
        )
        report.payouts = found.right
        report.unsettled = {shop: str(one.balance) for shop, one in found.clearing.items()}
        self._wrong_payouts("missing", found.missing)
        self._wrong_payouts("doubled", found.doubled)
        self._wrong_payouts("invented", found.invented)
        self._wrong_payouts("wrong", [str(one) for one in found.wrong])
        self._wrong_payouts("unbalanced", found.unbalanced)
        for name, accounts in (("clearing", found.clearing), ("receivable", found.receivables)):
            wrong = [
                f"{shop}: {one.difference}, {order_id}: {amount}"
                for shop, one in accounts.items()
                for order_id, amount in (one.differing or {"": ZERO}).items()
                if one.difference or amount
            ]
            self._wrong_payouts(name, wrong)
        refunds = rig.judged_refunds()
        report.returns = len(rig.world.returns.truth())
        report.refunds, report.goods_received = refunds.right, refunds.received
        report.wrong_refunds = {name: len(claims) for name, claims in refunds.faults.items()}
        for name, claims in refunds.faults.items():
            self._report.offend(f"refunds {name}", claims)

    def _wrong_payouts(self, what: str, which: list[str]) -> None:
        if which:
            self._report.wrong_payouts[what] = len(which)
            self._report.offend(f"payouts {what}", which)

    def _judge_exceptions(self, rig: Rig) -> None:
        """A person is called for what the pipeline cannot decide, and for nothing else."""
        report = self._report
        ledger = rig.ledger()
        with ledger.read() as tx:
            unresolved = tx.exceptions.list()
        ledger.close()
        report.parked_by_reason = dict(Counter(exception.kind for exception in unresolved))
        found = judge_exceptions(rig, unresolved, self._refused)
        report.unconverged = _unfinished(rig) + len(found.stuck) + len(found.untold)
        self._report.offend("stuck", [f"{e.kind}: {e.message}"[:300] for e in found.stuck])
        self._report.offend("untold", found.untold)


def _unfinished(rig: Rig) -> int:
    """Intents that are neither applied, superseded nor parked, and records not read back."""
    ledger = rig.ledger()
    with ledger.read() as tx:
        counts = tx.intents.counts()
        unread = len(tx.links.not_read_back("so"))
    ledger.close()
    return unread + sum(
        counts.get(state, 0) for state in (*UNDER_WAY, *UNSENT) if state != IntentState.PARKED
    )


def _money_moves(rig: Rig) -> bool:
    """Whether a return, a settlement or a payment is still to come."""
    if any(rig.world.returns.is_open(truth.order_id) for truth in rig.world.truth()):
        return True
    finance = rig.world.finance
    truth = finance.truth()
    if any(one.due is not None and one.settled_at is None for one in finance.store.all_transactions()):
        return True
    return any(one.payment.status == PROCESSING for one in truth.payments.values()) or any(
        # A balance below zero waits for the next sale.
        shop.waiting or shop.withheld or shop.unpaid > 0
        for shop in truth.shops.values()
    )


def _still_moving(rig: Rig) -> bool:
    """Whether people, or TikTok's own warehouse, still have something to do that the pipeline follows."""
    if rig.warehouse.works and rig.warehouse.next_due() is not None:
        return True
    return any(
        truth.status in {"ON_HOLD", "UNPAID"}
        or truth.open_request is not None
        or (truth.shipped_through == "fbt" and truth.status in _BEFORE_COLLECTION)
        for truth in rig.world.truth()
    )


_BEFORE_COLLECTION = {"AWAITING_SHIPMENT", "PARTIALLY_SHIPPING", "AWAITING_COLLECTION"}
