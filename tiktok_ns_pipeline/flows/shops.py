"""The shops of a run: opened to us by the seller, and known to the mapping.

Read at most hourly. While TikTok does not tell them, the shops as they were read last serve: what is
planned already still goes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess

_SHOPS_VALID_FOR = timedelta(hours=1)
SHOPS_CURSOR = "tiktok:shops"
"""The cursor that keeps the opened shops."""

OpenedShop = tuple[Shop, ShopAccess]
"""A shop of the mapping, and how TikTok is asked about it."""


async def mapped_shops(runtime: Runtime, only: Sequence[str] = ()) -> list[tuple[Shop, ShopAccess]]:
    """The shops that the seller opened to us and the mapping knows, read at most hourly.

    A shop that the mapping does not know becomes an exception: its orders would go missing unseen.
    """
    with runtime.ledger.read() as tx:
        stored = tx.cursors.get(SHOPS_CURSOR)
    now = runtime.clock.now()
    if stored is not None and now - datetime.fromisoformat(stored["read_at"]) <= _SHOPS_VALID_FOR:
        return mapped(runtime, known_shops(runtime), only)
    accesses = await runtime.tiktok.authorized_shops()
    with runtime.ledger.begin() as tx:
        fields = [_access_fields(access) for access in accesses]
        tx.cursors.set(SHOPS_CURSOR, {"read_at": now.isoformat(), "shops": fields})
        for access in accesses:
            if runtime.mapping.shop_of(access.shop_id) is None:
                tx.exceptions.open(_unmapped(access, runtime))
            else:
                tx.exceptions.clear(
                    channel="tiktok",
                    shop="*",
                    subject=f"shop {access.shop_id}",
                    reason="the mapping knows the shop now",
                )
    return mapped(runtime, accesses, only)


def known_shops(runtime: Runtime) -> list[ShopAccess]:
    """The shops as they were read last, however long ago."""
    with runtime.ledger.read() as tx:
        stored = tx.cursors.get(SHOPS_CURSOR)
    return [ShopAccess(**fields) for fields in stored["shops"]] if stored else []


def mapped(
    runtime: Runtime, accesses: Sequence[ShopAccess], only: Sequence[str] = ()
) -> list[tuple[Shop, ShopAccess]]:
    """Shops of the mapping with their access, those named by `only` if any are."""
    found = [(runtime.mapping.shop_of(access.shop_id), access) for access in accesses]
    return [(shop, access) for shop, access in found if shop and (not only or shop.code in only)]


def _access_fields(access: ShopAccess) -> Mapping[str, str]:
    return {name: getattr(access, name) for name in ShopAccess.__slots__}


def _unmapped(access: ShopAccess, runtime: Runtime) -> NewException:
    return runtime.reporter.exception(
        "unmapped_shop",
        channel="tiktok",
        shop="*",
        subject=f"shop {access.shop_id}",
        cause="shop",
        message=f"The seller opened shop {access.name} ({access.region}, id {access.shop_id}) to this "
        "pipeline, but the mapping does not know it: none of its orders are posted.",
    )
