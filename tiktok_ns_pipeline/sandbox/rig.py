"""The rig: world, books and pipeline joined in one process, for virtual time.

The pipeline in it is the real one, with its ledger and lake in a folder; only the network is replaced
by in-process calls. `run` is one process of the pipeline: it opens everything, turns the flow and
closes everything, or dies in between.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
from cryptography.fernet import Fernet

from tiktok_ns_pipeline.billing.flow import BillingFlow
from tiktok_ns_pipeline.cancellations.flow import ClosuresFlow, ClosuresRequest
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.dispatcher import DispatchReport
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.fulfilment.flow import FulfilmentFlow
from tiktok_ns_pipeline.inventory.flow import StockFlow
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.orders.flow import OrdersFlow, RunReport, RunRequest
from tiktok_ns_pipeline.refunds.flow import RefundsFlow, RefundsRequest
from tiktok_ns_pipeline.runtime import Runtime, open_runtime
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.judge import Judgement, judge
from tiktok_ns_pipeline.sandbox.judge_follow_ups import (
    TIME_TO_CLOSE,
    FollowUps,
    evidence,
    judge_follow_ups,
)
from tiktok_ns_pipeline.sandbox.judge_refunds import RefundFindings, credited, judge_refunds
from tiktok_ns_pipeline.sandbox.judge_settlements import (
    OrderAccounts,
    SettlementFindings,
    judge_settlements,
    settled_lines,
)
from tiktok_ns_pipeline.sandbox.judge_stock import StockJudgement, gathered, judge_stock
from tiktok_ns_pipeline.sandbox.netsuite_server import netsuite_app
from tiktok_ns_pipeline.sandbox.receiving import Receiving
from tiktok_ns_pipeline.sandbox.settling_truth import Role
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import Stockroom, StockroomHabits
from tiktok_ns_pipeline.sandbox.tiktok_server import TikTokServer
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport
from tiktok_ns_pipeline.sandbox.warehouse import Labels, Warehouse, WarehouseHabits
from tiktok_ns_pipeline.sandbox.webhooks import WebhookEmitter, over_http
from tiktok_ns_pipeline.sandbox.world import World
from tiktok_ns_pipeline.settings import NetSuiteSettings, Settings, TikTokSettings
from tiktok_ns_pipeline.settlements.flow import SettlementsFlow
from tiktok_ns_pipeline.tiktok.auth import TikTokApp
from tiktok_ns_pipeline.webhooks.receiver import receiver_app

MAPPING = Path(__file__).parents[2] / "config" / "mapping.sandbox.yaml"

_TIKTOK = "http://tiktok.sandbox"
_NETSUITE = "http://1234567-sb1.sandbox"


BILLED_SHOPS = ("us", "uk")
"""Shops that bill what they ship, by the sandbox's mapping."""

ORDER_ACCOUNTS = {"us": OrderAccounts("125"), "uk": OrderAccounts("126", receivable="119")}
"""Where their orders stand until they are paid, by the same."""

ROLES: dict[str, Role] = {
    **dict.fromkeys(("125", "126", "127"), "clearing"),
    **dict.fromkeys(("128", "129", "130"), "bank"),
    **dict.fromkeys(("140", "141", "142"), "reserve"),
    "636": "taxes",
}
"""What accounts are for in payouts, by the same. Those of fees, shipping and adjustments are shared."""


class SimulatedCrash(BaseException):
    """The pipeline's process dies at a named point. Nothing of the pipeline catches it."""


@dataclass(frozen=True, slots=True)
class Flows:
    """All flows of one process, which share its connections and its slots."""

    orders: OrdersFlow
    closures: ClosuresFlow
    shipments: FulfilmentFlow
    billing: BillingFlow
    stock: StockFlow
    settlements: SettlementsFlow | None
    """None where TikTok settles nothing."""
    refunds: RefundsFlow | None
    """None where no buyer gives anything back."""

    @classmethod
    def of(cls, runtime: Runtime, run_id: str, *, settles: bool, returns: bool) -> Flows:
        """The flows over one runtime."""
        return cls(
            OrdersFlow(runtime, run_id),
            ClosuresFlow(runtime, run_id),
            FulfilmentFlow(runtime, run_id),
            BillingFlow(runtime, run_id),
            StockFlow(runtime, run_id),
            SettlementsFlow(runtime, run_id) if settles else None,
            RefundsFlow(runtime, run_id) if returns else None,
        )

    @property
    def dispatched(self) -> list[DispatchReport]:
        """What each of them has carried out."""
        flows = (
            self.orders,
            self.closures,
            self.shipments,
            self.billing,
            self.stock,
            self.settlements,
            self.refunds,
        )
        return [flow.report.dispatch for flow in flows if flow is not None]

    async def run(self, *, budget_s: float, idle_s: float) -> None:
        """Side by side, until each has nothing to do or is out of time; what one dies of ends all."""
        turn = TurnRequest(budget_s=budget_s, idle_s=idle_s)
        refunds = RefundsRequest(budget_s=budget_s, idle_s=idle_s)
        running = [
            asyncio.create_task(work)
            for work in (
                self.orders.run(RunRequest(budget_s=budget_s, idle_s=idle_s)),
                self.closures.run(ClosuresRequest(budget_s=budget_s, idle_s=idle_s)),
                self.shipments.run(turn),
                self.billing.run(turn),
                self.stock.run(turn),
                *([self.settlements.run(turn)] if self.settlements else []),
                *([self.refunds.run(refunds)] if self.refunds else []),
            )
        ]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
        for end in ended:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end


class Rig:
    """World, books, and a pipeline between them, on one clock."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        seed: int = 0,
        orders_per_minute: float = 0.0,
        mix: Mix | None = None,
        slots: int = 6,
        account_slots: int = 8,
        save_seconds: float = 1.0,
        poll_s: float = 2.0,
        speed: float = 1.0,
        warehouse: WarehouseHabits | None = None,
        stockroom: StockroomHabits | None = None,
    ) -> None:
        """`account_slots` is the account's limit, of which the pipeline may use `slots`.

        With habits the seller's warehouse works by itself; people can tell it to either way. With
        habits of the stockroom others move stock, too. `speed` shortens what happens to orders,
        parcels and stock, not the clock.
        """
        self.clock = clock
        self.faults = FaultPlan(seed, {}, hang_s=90.0)
        self.books = Books(None, clock, slots=account_slots, save_seconds=save_seconds)
        self.world = World(
            None,
            seed=seed,
            clock=clock,
            speed=speed,
            orders_per_minute=orders_per_minute,
            faults=self.faults,
            mix=mix,
        )
        labels = Labels(self.world)
        self.warehouse = Warehouse(
            self.books,
            self.world.clock,
            seed,
            warehouse,
            speed=speed,
            works=warehouse is not None,
            label_needed=labels.needed,
            buy_label=labels.buy,
        )
        self.stockroom = (
            None
            if stockroom is None
            else Stockroom(self.books, self.world.clock, seed, stockroom, speed=speed)
        )
        self.receiving = (
            Receiving(self.world, self.books, seed, speed=speed, lost=warehouse.lost) if warehouse else None
        )
        self.transport = InProcessTransport(
            {
                "tiktok.sandbox": TikTokServer(self.world),
                "1234567-sb1.sandbox": netsuite_app(self.books, self.faults, clock, self.catch_up),
            }
        )
        self.settings = self._settings(folder, slots, poll_s)
        self.flows: list[Flows] = []
        """The flows of every process of `run_all`, for their reports."""
        self._seed = seed
        self._runs = 0

    def catch_up(self) -> None:
        """Let happen what people in the warehouse and the stockroom were to do by now."""
        self.warehouse.catch_up()
        if self.receiving is not None:
            self.receiving.catch_up()
        if self.stockroom is not None:
            self.stockroom.catch_up()

    async def log_in(self) -> None:
        """The seller's consent: exchange the code for the first tokens."""
        async with self.runtime() as runtime:
            await runtime.tiktok_login.exchange(AUTH_CODE)

    def runtime(self, *, governor_renew_s: float = 600.0) -> AbstractAsyncContextManager[Runtime]:
        """Everything that one process of the pipeline opens.

        Processes at work beside each other share slots whenever they renew theirs, so these should
        do it more often than one that is alone.
        """
        self._runs += 1
        return open_runtime(
            replace(self.settings, holder=f"run-{self._runs}"),
            clock=self.clock,
            transport=_Lasting(self.transport),
            probe=self._probe,
            jitter=random.Random(f"jitter {self._seed} {self._runs}"),
            governor_renew_s=governor_renew_s,
        )

    async def run_all(self, *, budget_s: float, idle_s: float) -> None:
        """One process of the pipeline with all its flows. Raises SimulatedCrash when it dies."""
        # Who polls rarely is alone, too: renewing slots besides would be most of what happens.
        async with self.runtime(governor_renew_s=max(600.0, self.settings.poll_s)) as runtime:
            for table in runtime.lake.tables_present():
                # As the nightly job does; nobody else reads in the meantime.
                runtime.lake.compact(table, timedelta(0), at_least=4)
            flows = Flows.of(
                runtime, f"run-{self._runs}", settles=self.world.mix.settles, returns=self.gives_back
            )
            self.flows.append(flows)
            await flows.run(budget_s=budget_s, idle_s=idle_s)

    @property
    def gives_back(self) -> bool:
        """Whether buyers of this world give anything back, or did."""
        return self.world.mix.returned > 0 or next(self.world.returns.store.all(), None) is not None

    async def run(self, request: RunRequest | None = None) -> RunReport:
        """One process of the orders flow alone. Raises SimulatedCrash when it dies."""
        async with self.runtime() as runtime:
            return await OrdersFlow(runtime, f"run-{self._runs}").run(request or RunRequest())

    @asynccontextmanager
    async def webhooks(self, look_again_s: float = 1.0) -> AsyncGenerator[WebhookEmitter]:
        """Within it TikTok posts webhooks to a receiver over the pipeline's ledger, and the world's
        life goes on though nobody polls."""
        ledger = Ledger.open(self.settings.database_url, self.clock, durable=self.settings.durable)
        receiver = receiver_app(ledger, TikTokApp(APP_KEY, APP_SECRET))
        hosts = InProcessTransport({"webhooks.sandbox": receiver})
        async with httpx.AsyncClient(transport=hosts) as http:
            emitter = WebhookEmitter(self.world, self.faults, over_http(http))
            emitter.default_address = "https://webhooks.sandbox/webhooks/tiktok"

            async def go_on() -> None:
                while True:
                    self.world.catch_up()
                    await emitter.run_due()
                    await asyncio.sleep(look_again_s)

            going_on = asyncio.create_task(go_on())
            try:
                yield emitter
            finally:
                emitter.close()
                going_on.cancel()
                with suppress(asyncio.CancelledError):
                    await going_on
                await receiver.state.receiver.finish()
                ledger.close()

    def ledger(self) -> Ledger:
        """The pipeline's ledger, for looking at it from outside; close it."""
        return Ledger.open(self.settings.database_url, self.clock)

    def judged(self) -> Judgement:
        """What the judge finds about Sales Orders now."""
        truths = list(self.world.truth())
        changed_too_late = {
            truth.order_id
            for truth in truths
            if (picked := self.warehouse.first_steps(truth.order_id).picked_at) is not None
            and any(picked <= at + TIME_TO_CLOSE for at in truth.cancelled_lines.values())
        }
        others = self.stockroom.orders if self.stockroom else set[str]()
        records = (one for one in self.books.records("salesOrder") if one["id"] not in others)
        return judge(truths, records, changed_too_late)

    def judged_follow_ups(self) -> FollowUps:
        """What the judge finds about parcels, closures and bills now."""
        truths = list(self.world.truth())
        shown = evidence(
            self.books.records("salesOrder"),
            self.books.records("itemFulfillment"),
            [*self.books.records("cashSale"), *self.books.records("invoice")],
            self.warehouse.shipped(),
            {truth.order_id: self.warehouse.first_steps(truth.order_id) for truth in truths},
            BILLED_SHOPS,
        )
        return judge_follow_ups(truths, shown)

    def judged_stock(self) -> StockJudgement:
        """What the judge finds about stock now; shops keep nothing back."""
        self.catch_up()
        return judge_stock(gathered(self.world, self.books))

    def judged_settlements(self, refused: Collection[str] = ()) -> SettlementFindings:
        """What the judge finds about payouts and clearing accounts now; `refused` payments must not be
        in the books."""
        unsold = {truth.order_id for truth in self.world.truth() if truth.expected_parked}
        truth = self.world.finance.truth().without(refused)
        return judge_settlements(settled_lines(self.books), truth, ROLES, ORDER_ACCOUNTS, unsold)

    def judged_refunds(self) -> RefundFindings:
        """What the judge finds about credits and returned goods now."""
        world, finance = self.world, self.world.finance.truth()
        return judge_refunds(
            world.returns.truth(), world.truth(), finance, credited(self.books), BILLED_SHOPS
        )

    def _probe(self, point: str) -> None:
        if self.faults.strikes(FaultKind.crash, "pipeline", point):
            raise SimulatedCrash(point)

    def _settings(self, folder: Path, slots: int, poll_s: float) -> Settings:
        return Settings(
            data_dir=folder,
            database_url=f"sqlite:///{folder / 'ledger.sqlite'}",
            lake_url=str(folder / "lake"),
            mapping_path=MAPPING,
            encryption_key=Fernet.generate_key().decode(),
            tiktok=TikTokSettings(APP_KEY, APP_SECRET, _TIKTOK, _TIKTOK),
            netsuite=NetSuiteSettings(
                account="1234567_SB1",
                base_url=_NETSUITE,
                auth="oauth2",
                client_id="sandbox-client-id",
                certificate_id="sandbox-cert-es256",
                private_key=self.books.auth.client_private_key_pem("ES256"),
                slots=slots,
                timeout_s=30.0,
            ),
            durable=False,
            holder="rig",
            poll_s=poll_s,
            items_refresh_s=4 * 3600.0,
        )


class _Lasting(httpx.AsyncBaseTransport):
    """The network outlives a pipeline that closes its client."""

    def __init__(self, transport: InProcessTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hand the request on."""
        return await self._transport.handle_async_request(request)
