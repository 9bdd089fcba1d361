"""`tiktok-ns webhooks`: where TikTok posts its hints, and the receiver that takes them."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tiktok_ns_pipeline.commands.terminal import UNUSABLE, WRONG, console, fail, shown

if TYPE_CHECKING:
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.tiktok.calling import ShopAccess
    from tiktok_ns_pipeline.tiktok.client import TikTokClient
    from tiktok_ns_pipeline.webhooks.registering import Registered

app = typer.Typer(no_args_is_help=True, help="TikTok's hints that something changed: lower latency.")

_STOP_WITHIN_S = 8
_CONNECTIONS_WAITING = 1024
_REQUESTS_AT_ONCE = 6_000
"""A little more than may wait for the store, so that whoever comes on top is told at once."""

Shop = Annotated[list[str] | None, typer.Option(help="only this shop, by its code; repeatable")]
Event = Annotated[
    list[str] | None, typer.Option(help="only this event, such as ORDER_STATUS_CHANGE; repeatable")
]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to listen on; 0 takes a free one")] = 8090,
) -> None:
    """Receive TikTok's webhooks: check each signature, store each event once, answer at once.

    Needs TNS_TIKTOK_APP_KEY, TNS_TIKTOK_APP_SECRET and the ledger, no other secret. Takes POST / and
    POST /webhooks/tiktok in plain HTTP: a proxy with a certificate belongs in front. GET /healthz says
    whether events can be stored, GET /metrics what came. Any number may run on one PostgreSQL ledger.

    Example: tiktok-ns webhooks serve --host 0.0.0.0 --port 8090
    """
    import uvicorn

    from tiktok_ns_pipeline.ledger import Ledger
    from tiktok_ns_pipeline.settings import ReceiverSettings
    from tiktok_ns_pipeline.tiktok.auth import TikTokApp
    from tiktok_ns_pipeline.webhooks.receiver import receiver_app

    settings = ReceiverSettings.from_environment()
    try:
        listening = socket.create_server((host, port), backlog=_CONNECTIONS_WAITING)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        fail(f"{host}:{port} is taken; choose another port" if taken else f"{host}:{port}: {error.strerror}")
    # uvicorn stops in order and raises the signal again: then this is the end.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _end)
    with closing(listening), closing(Ledger.open(settings.database_url)) as ledger:
        config = uvicorn.Config(
            receiver_app(ledger, TikTokApp(settings.app_key, settings.app_secret)),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_REQUESTS_AT_ONCE,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
        console().print(f"Webhooks are received at http://{host}:{listening.getsockname()[1]}", markup=False)
        uvicorn.Server(config).run(sockets=[listening])


@app.command("list")
def list_registered(shop: Shop = None) -> None:
    """List where TikTok posts which events of each shop, and what waits in the inbox.

    Needs all settings. Events that nobody registered are still found by polling, only later.

    Example: tiktok-ns webhooks list --shop us
    """
    from rich.table import Table

    from tiktok_ns_pipeline.commands.ledger_access import existing_ledger
    from tiktok_ns_pipeline.settings import Settings

    rows = asyncio.run(_listed(Settings.from_environment(), shop or ()))
    table = Table("shop", "event", "address", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    out = console()
    if rows:
        out.print(table)
    else:
        out.print("TikTok posts no events to this app; `tiktok-ns webhooks register` asks it to.")
    with existing_ledger() as ledger, ledger.read() as tx:
        counts = tx.inbox.counts()
    for flow, count in counts.items():
        waiting = f"{count.waiting} waiting since {shown(count.oldest_waiting)}, " if count.waiting else ""
        out.print(f"inbox, {flow or 'for no flow'}: {waiting}{count.handled} handled", markup=False)


@app.command()
def register(
    address: Annotated[str, typer.Argument(help="where the receiver is reached from the internet")],
    shop: Shop = None,
    event: Event = None,
) -> None:
    """Ask TikTok to post the events of each shop to an address, and make sure that it will.

    Needs all settings. TikTok takes https, a domain name and no port. Without --event it registers what
    the flows use. One address per event and shop: another one is replaced. Exit code 1 when TikTok
    refused an entry, or accepted it but does not list it.

    Example: tiktok-ns webhooks register https://shop.example.com/webhooks/tiktok --shop us
    """
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.webhooks.registering import DEFAULT_EVENTS, complaint_about
    from tiktok_ns_pipeline.webhooks.registering import register as register_events

    settings = Settings.from_environment()
    if complaint := complaint_about(address, settings.tiktok.api_url):
        fail(complaint, UNUSABLE)
    events = _known_events(event or DEFAULT_EVENTS)

    async def run() -> list[Registered]:
        done: list[Registered] = []
        async with _shops(settings, shop or ()) as (client, shops):
            for code, access in shops.items():
                outcomes = await register_events(client.webhooks, access, events, address)
                _tell(code, outcomes)
                done += outcomes
        return done

    outcomes = {one.outcome for one in asyncio.run(run())}
    if "refused" in outcomes:
        fail("TikTok refused some of these; the app may lack a permission", WRONG)
    if "not seen" in outcomes:
        fail("TikTok accepted what it does not list; run this again in some minutes", WRONG)


@app.command()
def unregister(shop: Shop = None, event: Event = None) -> None:
    """Ask TikTok to post the events of each shop nowhere any more.

    Needs all settings. Without --event it ends all that `register` registers by itself.

    Example: tiktok-ns webhooks unregister --shop us --event PACKAGE_UPDATE
    """
    from tiktok_ns_pipeline.settings import Settings
    from tiktok_ns_pipeline.webhooks.registering import DEFAULT_EVENTS
    from tiktok_ns_pipeline.webhooks.registering import unregister as unregister_events

    settings = Settings.from_environment()
    events = _known_events(event or DEFAULT_EVENTS)

    async def run() -> None:
        async with _shops(settings, shop or ()) as (client, shops):
            for code, access in shops.items():
                _tell(code, await unregister_events(client.webhooks, access, events))

    asyncio.run(run())


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _known_events(names: Sequence[str]) -> list[str]:
    from tiktok_ns_pipeline.tiktok.webhook_events import EVENT_NAMES

    known = sorted(EVENT_NAMES.values())
    if unknown := [name for name in names if name not in known]:
        fail(f"TikTok registers no event {', '.join(unknown)}; it knows {', '.join(known)}", UNUSABLE)
    return list(dict.fromkeys(names))


def _tell(code: str, outcomes: Sequence[Registered]) -> None:
    for one in outcomes:
        before = f" (was {one.before})" if one.before else ""
        why = f", {one.why}" if one.why else ""
        console().print(f"{code}  {one.event_type}: {one.outcome}{before}{why}", markup=False, soft_wrap=True)


async def _listed(settings: Settings, codes: Sequence[str]) -> list[tuple[str, str, str]]:
    async with _shops(settings, codes) as (client, shops):
        return [
            (code, one.event_type, one.address or "")
            for code, access in shops.items()
            for one in await client.webhooks.list(access)
        ]


@asynccontextmanager
async def _shops(
    settings: Settings, codes: Sequence[str]
) -> AsyncGenerator[tuple[TikTokClient, dict[str, ShopAccess]]]:
    """The client, and by code the shops of the mapping that the seller opened; all, or these."""
    from tiktok_ns_pipeline.runtime import open_runtime

    async with open_runtime(settings) as runtime:
        mapped = runtime.mapping.shops
        if unknown := [code for code in codes if code not in mapped]:
            fail(f"the mapping has no shop {', '.join(unknown)}; it has {', '.join(mapped)}")
        opened = {shop.shop_id: shop for shop in await runtime.tiktok.authorized_shops()}
        wanted = codes or list(mapped)
        if closed := [code for code in wanted if mapped[code].tiktok_shop_id not in opened]:
            fail(f"the seller has not opened shop {', '.join(closed)} to this app")
        yield runtime.tiktok, {code: opened[mapped[code].tiktok_shop_id] for code in wanted}
