"""`tiktok-ns db` and `tiktok-ns authorize`: what is set up once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from tiktok_ns_pipeline.commands.terminal import console, shown

if TYPE_CHECKING:
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.tiktok.client import ShopAccess
    from tiktok_ns_pipeline.tokens import TokenSet

db = typer.Typer(no_args_is_help=True, help="The ledger's database.")


@db.command()
def upgrade() -> None:
    """Make the ledger's database, or bring it to this version of the code.

    Needs TNS_DATABASE_URL or TNS_DATA_DIR. Every run does the same by itself; a deployment that gives
    runs no right to change tables calls this first.

    Example: TNS_DATABASE_URL=postgresql://ledger@db/ledger tiktok-ns db upgrade
    """
    import sqlalchemy as sa

    from tiktok_ns_pipeline.ledger import Ledger
    from tiktok_ns_pipeline.settings import database_url

    url = database_url()
    ledger = Ledger.open(url)
    with ledger.engine.connect() as connection:
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    ledger.close()
    where = sa.engine.make_url(url).render_as_string(hide_password=True)
    console().print(f"The ledger at {where} is at version {version}.", markup=False)


def authorize(
    code: Annotated[str, typer.Argument(help="auth_code of the page to which TikTok sent the seller back")],
) -> None:
    """Exchange the code of a seller's consent for tokens, which the ledger keeps encrypted.

    Needs all settings. A code works once and for 30 minutes; afterwards tokens renew themselves.

    Example: tiktok-ns authorize ROW_Fe8xZwAAAAD…
    """
    from tiktok_ns_pipeline.settings import Settings

    tokens, shops = asyncio.run(_exchange(Settings.from_environment(), code))
    out = console()
    out.print(f"Authorized; this access ends {shown(tokens.refresh_expires_at)} unless it is renewed before.")
    for shop in shops:
        out.print(f"  {shop.region} {shop.seller_type} shop {shop.name}, id {shop.shop_id}", markup=False)
    if not shops:
        out.print("TikTok names no shop that the seller opened to this app.")


async def _exchange(settings: Settings, code: str) -> tuple[TokenSet, list[ShopAccess]]:
    import httpx

    from tiktok_ns_pipeline.clock import SystemClock
    from tiktok_ns_pipeline.ledger import Ledger
    from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
    from tiktok_ns_pipeline.tiktok.client import TikTokClient

    clock = SystemClock()
    ledger = Ledger.open(settings.database_url, clock)
    app = TikTokApp(settings.tiktok.app_key, settings.tiktok.app_secret)
    try:
        async with httpx.AsyncClient() as http:
            store = ledger.token_store(settings.encryption_key)
            login = TikTokLogin(app, store, http, settings.tiktok.auth_url, clock)
            tokens = await login.exchange(code)
            client = TikTokClient(app, login, http, clock, api_base_url=settings.tiktok.api_url)
            return tokens, await client.authorized_shops()
    finally:
        ledger.close()
