"""The newest versions of claims, and of their orders, as they landed in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_CANCELLATIONS, RAW_TIKTOK_ORDERS, RAW_TIKTOK_RETURNS
from tiktok_ns_pipeline.ledger.claims import KnownClaim, Source
from tiktok_ns_pipeline.refunds.claims import MALFORMED
from tiktok_ns_pipeline.refunds.document import Problem
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.return_models import Return

Version = Return | Cancellation | Problem
"""The newest version of a claim; a problem where it cannot be read."""

_TABLES = {
    "return": (RAW_TIKTOK_RETURNS, "return_id"),
    "cancellation": (RAW_TIKTOK_CANCELLATIONS, "cancel_id"),
}


class LandedClaims:
    """Reads the claims of one shop."""

    def __init__(self, runtime: Runtime, opened: OpenedShop, run_id: str) -> None:
        self._runtime = runtime
        self._shop, self._access = opened
        self._run_id = run_id

    def versions(self, claims: Sequence[KnownClaim]) -> dict[str, Version]:
        """The newest version of each of these."""
        versions: dict[str, Version] = {}
        for source, (table, key) in _TABLES.items():
            own = [one for one in claims if one.source == source]
            if not own:
                continue
            rows = self._runtime.lake.current(
                table,
                f"{key} IN ({', '.join('?' for _ in own)})",
                [one.claim_id for one in own],
                shop=self._shop.code,
                days={one.day for one in own},
                columns=(key, "payload"),
            )
            payloads = {row[key]: row["payload"] for row in rows}
            versions |= {one.claim_id: self._version(one, payloads.get(one.claim_id)) for one in own}
        return versions

    def orders(self, order_ids: Sequence[str]) -> dict[str, Order]:
        """These orders, as far as they landed and can be read."""
        if not order_ids:
            return {}
        rows = self._runtime.lake.landed_until(
            RAW_TIKTOK_ORDERS,
            self._runtime.clock.now(),
            by="order_id",
            values=order_ids,
            shop=self._shop.code,
            days=None,
            columns=("order_id", "payload"),
        )
        read = {row["order_id"]: _order(exact_json.loads(row["payload"])) for row in rows}
        return {order_id: order for order_id, order in read.items() if order is not None}

    async def fetched(self, order_id: str) -> Order | None:
        """An order that cannot be found in the lake, as TikTok shows it; landed. Raises TikTokError."""
        raws: list[Mapping[str, Any]] = []
        for page in await self._runtime.tiktok.order_details(self._access, [order_id], lane="documents"):
            rows = [
                raw_order_row(raw, zone=self._shop.zone, read_at=page.read_at, request_id=page.request_id)
                for raw in page.rows
            ]
            self._runtime.lake.land_many(RAW_TIKTOK_ORDERS, rows, shop=self._shop.code, run_id=self._run_id)
            raws += page.rows
        return _order(raws[0]) if raws else None

    def _version(self, claim: KnownClaim, payload: str | None) -> Version:
        what = "Return" if claim.source == "return" else "Cancellation"
        name = f"{what} {claim.claim_id} of shop {self._shop.code}"
        if payload is None:
            return Problem(MALFORMED, "not_landed", f"{name} is no longer in the lake.")
        try:
            return _parsed(claim.source, exact_json.loads(payload))
        except WireError as error:
            cause = f"field:{error.field.partition('[')[0]}"
            return Problem(MALFORMED, cause, f"{name}: {error.field} {error.reason}.")


def _parsed(source: Source, raw: Mapping[str, Any]) -> Version:
    return Return.parse(raw) if source == "return" else Cancellation.parse(raw)


def _order(raw: Mapping[str, Any]) -> Order | None:
    try:
        return Order.parse(raw)
    except WireError:
        return None
