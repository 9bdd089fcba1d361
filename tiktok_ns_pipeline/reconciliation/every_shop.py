"""The proofs over all shops of the mapping: of one date, each with its own business day of that date, and
of the stock that they may share.

A shop that the seller did not open to us is no clean shop: its proof did not run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Mapping as ByCode
from datetime import date, datetime
from typing import TypeVar

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.reconciliation.fulfilments import model as fulfilments
from tiktok_ns_pipeline.reconciliation.fulfilments.model import FulfilmentProof
from tiktok_ns_pipeline.reconciliation.fulfilments.proof import prove_day
from tiktok_ns_pipeline.reconciliation.orders import Reconciliation, not_run
from tiktok_ns_pipeline.reconciliation.payouts import model as payouts
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof
from tiktok_ns_pipeline.reconciliation.payouts.clearing_proof import (
    by_account,
    not_run_clearing,
    prove_clearing,
)
from tiktok_ns_pipeline.reconciliation.payouts.model import BankLine, PayoutProof
from tiktok_ns_pipeline.reconciliation.payouts.proof import prove_payout_day
from tiktok_ns_pipeline.reconciliation.payouts.sides import accounts_of
from tiktok_ns_pipeline.reconciliation.proof import reconcile_day
from tiktok_ns_pipeline.reconciliation.reading import Sources
from tiktok_ns_pipeline.reconciliation.refunds import model as refunds
from tiktok_ns_pipeline.reconciliation.refunds.model import RefundProof
from tiktok_ns_pipeline.reconciliation.refunds.proof import prove_refund_day
from tiktok_ns_pipeline.reconciliation.results import NotRun, Side
from tiktok_ns_pipeline.reconciliation.stock.model import StockProof
from tiktok_ns_pipeline.reconciliation.stock.proof import prove_stock
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.errors import TikTokError

_Proof = TypeVar("_Proof")


async def reconcile_every_shop(runtime: Runtime, day: date, run_id: str) -> dict[str, Reconciliation]:
    """Prove the orders of a date in every shop of the mapping, one after the other; by shop code."""
    return await _in_every_shop(runtime, day, run_id, reconcile_day, not_run)


async def prove_fulfilments_of_every_shop(
    runtime: Runtime, day: date, run_id: str
) -> dict[str, FulfilmentProof]:
    """Prove what followed the orders of a date in every shop of the mapping; by shop code."""
    return await _in_every_shop(runtime, day, run_id, prove_day, fulfilments.not_run)


async def prove_stock_of_every_shop(runtime: Runtime, run_id: str) -> StockProof:
    """Prove what every shop of the mapping shows of the stock that they may share, all in one."""
    sources, unopened = await _opened(runtime)
    unread = {code: NotRun("tiktok", reason) for code, reason in unopened.items()}
    return await prove_stock(sources, unread, runtime.lake, runtime.mapping, runtime.clock, run_id)


async def prove_payouts_of_every_shop(
    runtime: Runtime, day: date, run_id: str, banks: ByCode[str, Sequence[BankLine]]
) -> dict[str, PayoutProof]:
    """Prove the payouts of a UTC day in every shop of the mapping; by shop code. `banks` are the lines of
    those shops whose bank's file is given."""

    async def prove(sources: Sources, lake: Lake, day: date, run_id: str) -> PayoutProof:
        return await prove_payout_day(sources, lake, day, run_id, bank=banks.get(sources.shop.code))

    return await _in_every_shop(runtime, day, run_id, prove, payouts.not_run)


async def prove_refunds_of_every_shop(runtime: Runtime, day: date, run_id: str) -> dict[str, RefundProof]:
    """Prove the refunds of a date in every shop of the mapping; by shop code."""
    return await _in_every_shop(runtime, day, run_id, prove_refund_day, refunds.not_run)


async def prove_clearing_of_every_account(
    runtime: Runtime, run_id: str, *, whole: bool = False
) -> list[ClearingProof]:
    """Prove every clearing account of the mapping, `whole` from the beginning. One of which a shop cannot be
    asked is not proved."""
    sources, unopened = await _opened(runtime)
    proofs: list[ClearingProof] = []
    closed = {
        accounts.clearing: reason
        for code, reason in unopened.items()
        if (accounts := accounts_of(runtime.mapping.shops[code])) is not None
    }
    for own in by_account(sources.values()):
        accounts = accounts_of(own[0].shop)
        if accounts is not None and accounts.clearing not in closed:
            proofs.append(await prove_clearing(own, runtime.lake, run_id, whole=whole))
    now = runtime.clock.now()
    for account, reason in closed.items():
        codes = [
            code
            for code, shop in runtime.mapping.shops.items()
            if (accounts := accounts_of(shop)) is not None and accounts.clearing == account
        ]
        proofs.append(not_run_clearing(account, codes, reason, now))
    return proofs


async def _in_every_shop(
    runtime: Runtime,
    day: date,
    run_id: str,
    prove: Callable[[Sources, Lake, date, str], Awaitable[_Proof]],
    unread: Callable[[Side, str, datetime], _Proof],
) -> dict[str, _Proof]:
    sources, unopened = await _opened(runtime)
    proofs: dict[str, _Proof] = {}
    for code in runtime.mapping.shops:
        if code in unopened:
            proofs[code] = unread("tiktok", unopened[code], runtime.clock.now())
        else:
            proofs[code] = await prove(sources[code], runtime.lake, day, run_id)
    return proofs


async def _opened(runtime: Runtime) -> tuple[dict[str, Sources], dict[str, str]]:
    """The shops of the mapping that can be asked, and why the others cannot; by shop code."""
    try:
        opened = {access.shop_id: access for access in await runtime.tiktok.authorized_shops("finance")}
    except TikTokError as error:
        return {}, dict.fromkeys(runtime.mapping.shops, str(error))
    sources: dict[str, Sources] = {}
    unopened: dict[str, str] = {}
    for code, shop in runtime.mapping.shops.items():
        access = opened.get(shop.tiktok_shop_id)
        if access is None:
            unopened[code] = f"the seller has not opened shop {shop.tiktok_shop_id} to this app"
            continue
        sources[code] = Sources(
            tiktok=runtime.tiktok,
            netsuite=runtime.netsuite,
            access=access,
            shop=shop,
            mapping=runtime.mapping,
            clock=runtime.clock,
        )
    return sources, unopened
