"""The shipments flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (NetSuite) -> stage (pure) -> intend (ledger) -> apply (TikTok) -> record what was accepted

and the other way round for what TikTok's own warehouse ships (`channel_packages`). A run observes and
applies side by side, so that a parcel is told seconds after its Item Fulfillment was saved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Handler
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    SYSTEM_ERRORS,
    Troubles,
    TurnRequest,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.fulfilment.applying import SHIPMENT_KINDS, ShipmentHandler
from tiktok_ns_pipeline.fulfilment.channel_applying import ChannelFulfilmentHandler
from tiktok_ns_pipeline.fulfilment.channel_packages import ChannelPackages
from tiktok_ns_pipeline.fulfilment.documents import CHANNEL, Fulfilment, Problem, fulfilment_of
from tiktok_ns_pipeline.fulfilment.landed import LandedFulfilments
from tiktok_ns_pipeline.fulfilment.missed import tell_of_missed_deadlines
from tiktok_ns_pipeline.fulfilment.observing import CHANGED_UNSEEN, FulfilmentWatch, Observed
from tiktok_ns_pipeline.fulfilment.orders_seen import OrdersSeen
from tiktok_ns_pipeline.fulfilment.planning import (
    Decided,
    PlanReport,
    ShipmentPlanner,
    facts_of,
    told_among,
)
from tiktok_ns_pipeline.fulfilment.recording import record_accepted
from tiktok_ns_pipeline.fulfilment.staging import STAGING_KINDS, Evidence, stage_shipments
from tiktok_ns_pipeline.fulfilment.watching import watched
from tiktok_ns_pipeline.lake.tables import STAGED_SHIPMENTS
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CHANNEL_FULFILMENT, SHIPMENT
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess

KINDS = (SHIPMENT, CHANNEL_FULFILMENT)
"""The facts that this flow makes true."""

BASIS_CURSOR = "shipments:basis"
"""The cursor that keeps the fingerprint of the mapping by which parcels were told."""

REPLAYED_KINDS = (*STAGING_KINDS, *SHIPMENT_KINDS, *ENGINE_KINDS)
_OF_MAPPING = ("unmapped_carrier",)
"""Troubles that a change of the mapping may end."""

_SUBJECTS = {"shipment": SHIPMENT, "package": CHANNEL_FULFILMENT, "fulfilment": ""}
"""What this flow's exceptions are about, and the kind of fact where that is one."""

_LOOK_AGAIN_AFTER = timedelta(seconds=60)
_PACKAGES_AGAIN_AFTER = timedelta(seconds=30)
_HINTS_AT_ONCE = 200


@dataclass(slots=True)
class RunReport:
    """What a run did, for asset metadata and for people."""

    observed: int = 0
    packages: int = 0
    """Packages of TikTok that were not known in that version."""
    plan: PlanReport = field(default_factory=PlanReport)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    recorded: int = 0
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""


class FulfilmentFlow:
    """The shipments flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._troubles = Troubles(runtime)
        self._orders = OrdersSeen(runtime, run_id)
        self._packages = ChannelPackages(runtime, run_id, self._orders, self._troubles)
        self._packages_asked_at: datetime | None = None
        self._landed = LandedFulfilments(runtime)
        self._to_restage: set[tuple[str, str]] = set()
        self._looked_again_at: datetime | None = None
        self._cycles = 0
        self.report = RunReport(trouble=self._troubles.told)

    async def run(self, request: TurnRequest) -> RunReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        shops = await shops_of_run(self._runtime, request.shops, self._troubles)
        dispatcher = dispatcher_for(self._runtime, self._handlers(shops), self._troubles, shops)
        self.report.dispatch = dispatcher.report
        codes = [shop.code for shop, _access in shops]
        watch = FulfilmentWatch(self._runtime, self._run_id, self._landed, codes, is_of_all=not request.shops)

        async def turn() -> int:
            return await self._turn(shops, watch, dispatcher)

        await turn_until_idle(
            self._runtime, dispatcher, turn, budget_s=request.budget_s, idle_s=request.idle_s
        )
        self._record()
        return self.report

    async def _turn(self, shops: Sequence[OpenedShop], watch: FulfilmentWatch, dispatcher: Dispatcher) -> int:
        """Look once at everything; gives how much was new."""
        changed = await self._observe(shops, watch)
        dispatcher.nudge()
        changed += await self._replay(shops)
        changed += await self._take_hints(shops)
        changed += await self._look_at_packages(shops)
        dispatcher.nudge()
        changed += self._record()
        self.report.turns += 1
        return changed

    # Observe and stage

    async def _observe(self, shops: Sequence[OpenedShop], watch: FulfilmentWatch) -> int:
        changed = 0
        try:
            changed += await self._keep_observed(shops, watch, await watch.look())
            now = self._runtime.clock.now()
            if self._looked_again_at is None or now - self._looked_again_at >= _LOOK_AGAIN_AFTER:
                changed += await self._look_again(shops, watch)
                self._looked_again_at = now
        except SYSTEM_ERRORS as error:
            self._troubles.note("item fulfilments", error)
        else:
            self._troubles.logins.answered("netsuite")
        self._tell_of_strangers(watch.strangers)
        tell_of_missed_deadlines(self._runtime, [shop for shop, _access in shops])
        return changed

    async def _look_again(self, shops: Sequence[OpenedShop], watch: FulfilmentWatch) -> int:
        """Fulfilments whose story is not over, by id; what waits for a time is staged anew."""
        known = watched(self._runtime, list(watch.landed().values()), self._cycles)
        self._cycles += 1
        observed = await watch.look_again(known.ids)
        with self._runtime.ledger.read() as tx:
            noted = {(shop, order_id) for shop, order_id in tx.cursors.get(CHANGED_UNSEEN) or ()}
        for shop, access in shops:
            waiting = {order_id for code, order_id in known.waiting_orders if code == shop.code}
            changed = {order_id for code, order_id in noted if code == shop.code}
            await self._stage(shop, access, sorted(waiting - changed), is_fresh=False)
            await self._stage(shop, access, sorted(changed), is_fresh=True)
            if changed:
                self._forget_noted(shop.code, changed)
        self.report.observed += len(observed.rows)
        return len(observed.rows)

    def _forget_noted(self, shop: str, order_ids: set[str]) -> None:
        """These were planned as they are now."""
        with self._runtime.ledger.begin() as tx:
            noted = tx.cursors.get(CHANGED_UNSEEN) or ()
            kept = [(code, each) for code, each in noted if code != shop or each not in order_ids]
            tx.cursors.set(CHANGED_UNSEEN, kept)

    async def _keep_observed(
        self, shops: Sequence[OpenedShop], watch: FulfilmentWatch, observed: Observed
    ) -> int:
        """Stage and plan what was observed; then the watermark may move."""
        try:
            for shop, access in shops:
                ids = [row["order_id"] for row in observed.rows if row["shop"] == shop.code]
                await self._stage(shop, access, list(dict.fromkeys(ids)), is_fresh=True)
        except BaseException:
            watch.forget(row["fulfilment_id"] for row in observed.rows)
            raise
        if observed.watermark is not None:
            with self._runtime.ledger.begin() as tx:
                watch.keep(tx, observed.watermark)
        self.report.observed += len(observed.rows)
        return len(observed.rows)

    async def _stage(
        self,
        shop: Shop,
        access: ShopAccess,
        order_ids: Sequence[str],
        *,
        is_fresh: bool,
        replay: bool = False,
        handled: Sequence[int] = (),
    ) -> None:
        """Stage orders of a shop from all that is known of them, and plan what came of it.

        `is_fresh` has them read from TikTok, as far as anything of them has left.
        """
        if not order_ids:
            return
        fulfilments = self._fulfilments(shop.code, order_ids)
        left = [key for key, each in fulfilments.items() if any(one.has_left for one in each)]
        orders = await self._orders.of(shop, access, left, is_fresh=is_fresh, troubles=self._troubles)
        facts = [fact for key, each in fulfilments.items() for fact in facts_of(shop.code, key, each)]
        with self._runtime.ledger.read() as tx:
            told = told_among(tx, facts)
        now = self._runtime.clock.now()
        decided = [
            Decided(
                each,
                stage_shipments(
                    Evidence(order_id, each, orders.get(order_id), told.get(order_id, {})),
                    shop,
                    self._runtime.mapping.fulfilment,
                    now,
                ),
            )
            for order_id, each in fulfilments.items()
            if order_id not in left or order_id in orders or orders.is_complete
        ]
        self._land_staged(shop, decided)
        self._runtime.probe("staged")
        with self._runtime.ledger.begin() as tx:
            ShipmentPlanner(self._runtime, self.report.plan).store(tx, shop.code, decided, replay=replay)
            tx.inbox.handled(handled)
        self._runtime.probe("planned")

    def _fulfilments(self, shop: str, order_ids: Sequence[str]) -> dict[str, list[Fulfilment]]:
        """All fulfilments of these orders as they landed last; one that cannot be read is told."""
        rows = self._landed.of(shop, order_ids)
        found: dict[str, list[Fulfilment]] = {}
        for row in sorted(rows, key=lambda each: each["fulfilment_id"]):
            try:
                found.setdefault(row["order_id"], []).append(fulfilment_of(row))
            except (ValueError, KeyError, TypeError) as error:
                self._tell_malformed(shop, row, error)
        return found

    def _land_staged(self, shop: Shop, decided: Sequence[Decided]) -> None:
        now = self._runtime.clock.now()
        rows = [
            {
                "channel": CHANNEL,
                "day": max(each.fulfilments, key=lambda one: one.modified_at).modified_at.date(),
                "order_id": each.staged.order_id,
                "outcome": each.staged.outcome,
                "reason": each.staged.reason or None,
                "parcels": len(each.staged.shipments),
                "units": sum(len(one.unit_ids) for one in each.staged.shipments),
                "document": exact_json.dumps([one.model_dump() for one in each.staged.shipments]),
                "dispatch_by": each.staged.dispatch_by,
                "staged_at": now,
            }
            for each in decided
        ]
        if rows:
            self._runtime.lake.land_many(STAGED_SHIPMENTS, rows, shop=shop.code, run_id=self._run_id)

    async def _look_at_packages(self, shops: Sequence[OpenedShop]) -> int:
        """What TikTok's own warehouse shipped; asked less often than NetSuite, since nobody waits for it."""
        now = self._runtime.clock.now()
        if self._packages_asked_at is not None and now - self._packages_asked_at < _PACKAGES_AGAIN_AFTER:
            return 0
        self._packages_asked_at = now
        seen = 0
        for shop, access in self._troubles.readable(shops):
            seen += await self._packages.look(shop, access)
        self.report.packages += seen
        return seen

    # Hints and replays

    async def _take_hints(self, shops: Sequence[OpenedShop]) -> int:
        """Orders that TikTok or a parcel's telling says to stage anew."""
        taken = 0
        wanted, self._to_restage = self._to_restage, set()
        for shop, access in shops:
            with self._runtime.ledger.read() as tx:
                hints = inbox.taken(tx, inbox.SHIPMENTS, _HINTS_AT_ONCE, [access.shop_id])
            ids = [order_id for code, order_id in wanted if code == shop.code]
            ids += list(hints.order_ids)
            if ids:
                await self._stage(
                    shop, access, list(dict.fromkeys(ids)), is_fresh=True, handled=hints.inbox_ids
                )
            elif hints.inbox_ids:
                with self._runtime.ledger.begin() as tx:
                    tx.inbox.handled(hints.inbox_ids)
            if hints.inbox_ids:
                self._packages_asked_at = None
            taken += len(ids)
        return taken

    async def _replay(self, shops: Sequence[OpenedShop]) -> int:
        """Try again what a person asked for, and what a change of the mapping may have mended."""
        basis = self._runtime.mapping.fingerprint()
        with self._runtime.ledger.read() as tx:
            changed = tx.cursors.get(BASIS_CURSOR) != basis
            asked = [one for one in tx.exceptions.asked_for_replay(REPLAYED_KINDS) if is_of_this_flow(one)]
            mended = tx.exceptions.list(kinds=_OF_MAPPING) if changed else []
        if not asked and not changed:
            return 0
        replayed = 0
        for shop, access in shops:
            keys = [one.subject.partition(" ")[2] for one in (*asked, *mended) if one.shop == shop.code]
            order_ids = {key.partition(".")[0] for key in keys}
            await self._stage(shop, access, sorted(order_ids), is_fresh=True, replay=True)
            replayed += len(order_ids)
        with self._runtime.ledger.begin() as tx:
            tx.intents.take_up_again(_facts(asked))
            tx.exceptions.replayed([one.id for one in asked])
            tx.cursors.set(BASIS_CURSOR, basis)
        return replayed

    # Apply and record

    def _handlers(self, shops: Sequence[OpenedShop]) -> list[Handler]:
        runtime = self._runtime
        accesses = {shop.code: access for shop, access in shops}
        return [
            ShipmentHandler(
                runtime.tiktok,
                runtime.ledger,
                runtime.clock,
                runtime.mapping,
                accesses,
                lambda shop, order_id: self._to_restage.add((shop, order_id)),
            ),
            ChannelFulfilmentHandler(
                runtime.netsuite,
                runtime.ledger,
                runtime.clock,
                runtime.mapping.custom_fields.line.line_ids,
            ),
        ]

    def _record(self) -> int:
        done = record_accepted(self._runtime, self._run_id)
        self.report.recorded += done
        return done

    def _tell_of_strangers(self, codes: Iterable[str]) -> None:
        """Sales Orders of shops that the mapping does not know (any more)."""
        for code in sorted(codes):
            message = (
                f"Sales Orders carry shop code {code!r}, which the mapping does not know: nothing that is "
                "shipped for them is told to TikTok."
            )
            self._open("*", Problem.of("malformed_fulfilment", f"shop code {code}"[:80], "shop", message))

    def _tell_malformed(self, shop: str, row: Mapping[str, Any], error: Exception) -> None:
        subject = f"fulfilment {row['order_id']}.{row['fulfilment_id']}"
        message = f"Item Fulfillment {row['tran_id']} cannot be read ({type(error).__name__})."
        self._open(shop, Problem.of("malformed_fulfilment", subject, "unreadable", message))

    def _open(self, shop: str, problem: Problem) -> None:
        with self._runtime.ledger.begin() as tx:
            tx.exceptions.open(
                self._runtime.reporter.exception(
                    problem.kind,
                    channel=CHANNEL,
                    shop=shop,
                    subject=problem.subject,
                    cause=problem.cause,
                    message=problem.message,
                )
            )


def is_of_this_flow(exception: OpenException) -> bool:
    """Whether an exception is about a parcel, an Item Fulfillment or a package of TikTok's warehouse."""
    return exception.subject.partition(" ")[0] in _SUBJECTS


def _facts(exceptions: Sequence[OpenException]) -> list[FactKey]:
    found: list[FactKey] = []
    for one in exceptions:
        what, _, key = one.subject.partition(" ")
        if kind := _SUBJECTS[what]:
            found.append(FactKey(one.channel, one.shop, kind, key))
    return found
