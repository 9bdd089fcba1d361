"""What TikTok's own warehouse shipped, as TikTok tells it: packages that were collected become facts.

All packages land; those of orders whose Sales Order says that the channel fulfils them are to be Item
Fulfillments. A package can be collected before its order is posted: then it is kept in mind, in a
cursor, and decided later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.turning import SYSTEM_ERRORS, Troubles
from tiktok_ns_pipeline.fulfilment.documents import CHANNEL, Problem
from tiktok_ns_pipeline.fulfilment.orders_seen import OrdersSeen
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_PACKAGES
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import CHANNEL_FULFILMENT, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, NewIntent, link_reference
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.fulfilment_models import Package

MALFORMED = "malformed_package"

_COLLECTED = frozenset({"FULFILLING", "COMPLETED"})
_FUTURE = timedelta(minutes=5)
_MOST_PENDING = 5_000
"""So many are kept in mind, and for the days that shipments are watched: the proof finds the others."""


class ChannelFulfilment(BaseModel):
    """The Item Fulfillment of what TikTok's warehouse shipped of one order in one package."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop: str
    order_id: str
    package_id: str
    unit_ids: tuple[str, ...]
    tracking: str | None
    tran_date: date

    @property
    def key(self) -> str:
        """Business key of the fact."""
        return f"{self.order_id}.{self.package_id}"

    @property
    def external_id(self) -> str:
        """External id of the Item Fulfillment (DESIGN 4)."""
        return f"tts-{self.shop}-{CHANNEL_FULFILMENT}-{self.package_id}".lower()

    def fingerprint(self) -> str:
        """Hash of what left: a later number or date is no new fulfilment."""
        return exact_json.fingerprint([self.order_id, self.package_id, sorted(self.unit_ids)])


@dataclass(frozen=True, slots=True)
class _Seen:
    """Packages of one look."""

    packages: list[Package]
    malformed: list[Problem]
    watermark: datetime | None


class ChannelPackages:
    """Looks at the packages of shops again and again within a run."""

    def __init__(self, runtime: Runtime, run_id: str, orders: OrdersSeen, troubles: Troubles) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._orders = orders
        self._troubles = troubles
        self._versions: dict[str, int] = {}

    async def look(self, shop: Shop, access: ShopAccess) -> int:
        """Land what changed and plan what TikTok's warehouse shipped; gives how many were new."""
        try:
            seen = await self._observe(shop, access)
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
            return 0
        await self._plan(shop, access, seen)
        return len(seen.packages)

    async def _observe(self, shop: Shop, access: ShopAccess) -> _Seen:
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(_watermark(shop))
        settings = self._runtime.settings
        first = self._runtime.clock.now() - timedelta(days=settings.first_look_days)
        since = datetime.fromisoformat(stored) - timedelta(seconds=settings.overlap_s) if stored else first
        packages: list[Package] = []
        malformed: list[Problem] = []
        newest: datetime | None = None
        async for page in self._runtime.tiktok.fulfilment.search_packages(access, update_time_ge=since):
            rows: list[dict[str, Any]] = []
            for raw in page.rows:
                package = _read(raw, malformed)
                payload = exact_json.dumps(raw)
                if package is None or self._versions.get(package.id) == hash(payload):
                    continue
                self._versions[package.id] = hash(payload)
                packages.append(package)
                rows.append(_row(shop, package, payload, page.read_at))
                updated = package.update_time
                if updated is not None and updated <= page.read_at + _FUTURE:
                    newest = max(updated, newest) if newest else updated
            self._runtime.lake.land_many(RAW_TIKTOK_PACKAGES, rows, shop=shop.code, run_id=self._run_id)
        return _Seen(packages, malformed, newest)

    async def _plan(self, shop: Shop, access: ShopAccess, seen: _Seen) -> None:
        with self._runtime.ledger.read() as tx:
            pending = self._pending(tx, shop)
            collected = [each for each in seen.packages if each.status in _COLLECTED]
            candidates = {each.id: each for each in [*pending, *collected]}
            documents = self._documents(tx, shop, candidates.values())
        ours = {
            (order_id, package.id): unit_ids
            for package in candidates.values()
            for order_id, unit_ids in _units_by_order(package, documents).items()
        }
        orders = await self._orders.of(
            shop,
            access,
            list(dict.fromkeys(order_id for order_id, _ in ours)),
            is_fresh=False,
            troubles=self._troubles,
        )
        intents: list[NewIntent] = []
        for (order_id, package_id), unit_ids in ours.items():
            package, order = candidates[package_id], orders.get(order_id)
            left_at = (order and (order.collection_time or order.rts_time)) or package.update_time
            intents.append(self._intent(shop, order_id, package, unit_ids, left_at))
        since = self._runtime.clock.now() - timedelta(days=self._runtime.mapping.fulfilment.watch_days)
        undecided = [
            each
            for each in candidates.values()
            if set(each.order_ids) - documents.keys() and (each.update_time or since) > since
        ]
        with self._runtime.ledger.begin() as tx:
            tx.intents.take_turns(CHANNEL, shop.code)
            tx.intents.plan(intents)
            self._keep_pending(tx, shop, undecided)
            self._keep_malformed(tx, shop, seen)
            if seen.watermark is not None:
                tx.cursors.advance(_watermark(shop), seen.watermark.isoformat())

    def _intent(
        self,
        shop: Shop,
        order_id: str,
        package: Package,
        unit_ids: Sequence[str],
        left_at: datetime | None,
    ) -> NewIntent:
        document = ChannelFulfilment(
            shop=shop.code,
            order_id=order_id,
            package_id=package.id,
            unit_ids=tuple(unit_ids),
            tracking=package.tracking_number,
            tran_date=(left_at or self._runtime.clock.now()).astimezone(shop.zone).date(),
        )
        return NewIntent(
            flow="shipments",
            fact=FactKey(CHANNEL, shop.code, CHANNEL_FULFILMENT, document.key),
            payload=document.model_dump(),
            payload_hash=document.fingerprint(),
            lane="documents",
            depends_on=link_reference(FactKey(CHANNEL, shop.code, SALES_ORDER, order_id)),
            observed_at=package.update_time,
        )

    @staticmethod
    def _documents(tx: Transaction, shop: Shop, packages: Any) -> dict[str, dict[str, Any]]:
        """Sales Order documents by order id, of those orders that were planned."""
        facts = {
            FactKey(CHANNEL, shop.code, SALES_ORDER, order_id)
            for each in packages
            for order_id in each.order_ids
        }
        newest = tx.intents.newest(facts)
        return {fact.business_key: intent.payload["document"] for fact, intent in newest.items()}

    def _pending(self, tx: Transaction, shop: Shop) -> list[Package]:
        return [Package.parse(raw) for raw in tx.cursors.get(_pending_name(shop)) or ()]

    @staticmethod
    def _keep_pending(tx: Transaction, shop: Shop, undecided: Sequence[Package]) -> None:
        kept = [
            {
                "id": each.id,
                "status": each.status,
                "orders": [{"id": order_id} for order_id in each.order_ids],
                "order_line_item_ids": list(each.line_ids),
                "tracking_number": each.tracking_number,
                "update_time": int(each.update_time.timestamp()) if each.update_time else None,
            }
            for each in undecided[-_MOST_PENDING:]
        ]
        if kept or tx.cursors.get(_pending_name(shop)):
            tx.cursors.set(_pending_name(shop), kept)

    def _keep_malformed(self, tx: Transaction, shop: Shop, seen: _Seen) -> None:
        for problem in seen.malformed:
            tx.exceptions.open(
                self._runtime.reporter.exception(
                    problem.kind,
                    channel=CHANNEL,
                    shop=shop.code,
                    subject=problem.subject,
                    cause=problem.cause,
                    message=problem.message,
                )
            )
        read = [f"package {each.id}" for each in seen.packages]
        for subject in tx.exceptions.unresolved_among(CHANNEL, shop.code, read):
            tx.exceptions.clear(
                channel=CHANNEL,
                shop=shop.code,
                subject=subject,
                reason="the package can be read now",
                kinds=(MALFORMED,),
            )


def _units_by_order(package: Package, documents: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Units of a package by order, of those orders that TikTok's warehouse fulfils."""
    found: dict[str, list[str]] = {}
    for order_id in package.order_ids:
        document = documents.get(order_id)
        if document is None or document["fulfilment"] != "channel":
            continue
        units = {unit for line in document["lines"] for unit in line["channel_line_ids"]}
        if inside := [unit for unit in package.line_ids if unit in units]:
            found[order_id] = inside
    return found


def _read(raw: dict[str, Any], malformed: list[Problem]) -> Package | None:
    try:
        return Package.parse(raw)
    except WireError as error:
        subject = f"package {error.record_id or 'without id'}"
        malformed.append(Problem.of(MALFORMED, subject, error.field, f"{error}."))
        return None


def _row(shop: Shop, package: Package, payload: str, read_at: datetime) -> dict[str, Any]:
    return {
        "channel": CHANNEL,
        "day": (package.create_time or read_at).astimezone(shop.zone).date(),
        "package_id": package.id,
        "status": package.status,
        "update_time": package.update_time,
        "order_ids": ",".join(package.order_ids),
        "tracking_number": package.tracking_number,
        "payload": payload,
        "read_at": read_at,
    }


def _watermark(shop: Shop) -> str:
    return f"shipments:{shop.code}:packages:update_time"


def _pending_name(shop: Shop) -> str:
    return f"shipments:{shop.code}:packages:pending"
