"""The application that TikTok posts its webhooks to.

    200  the event is durably stored (or was before), readable or not
    401  the signature is not TikTok's: counted, kept nowhere (T 8.1, 8.2); see `forgeries`
    408  the body did not come
    413  the body is larger than any event
    503  the store did not answer in time: TikTok sends the event again (T 8.1)

A body that TikTok signed but that cannot be read is kept as unreadable and answered with 200: sent
again four times, it would be no better. Nothing of a body or a header is ever logged.

`GET /healthz` says whether events can be stored now, `GET /metrics` what happened since the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tiktok_ns_pipeline.engine.reporting import Reporter
from tiktok_ns_pipeline.flows.inbox import ORDERS
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.inbox import NewEvent
from tiktok_ns_pipeline.mapping.exception_kinds import kind_named
from tiktok_ns_pipeline.tiktok.auth import TikTokApp
from tiktok_ns_pipeline.tiktok.webhook_signature import is_genuine
from tiktok_ns_pipeline.webhooks.events import CHANNEL, UNREADABLE, event_of
from tiktok_ns_pipeline.webhooks.forgeries import ForgeryWatch
from tiktok_ns_pipeline.webhooks.intake import PATIENCE_S, Intake, NotStored

_log = logging.getLogger(__name__)

PATHS = ("/", "/webhooks/tiktok")
LARGEST_BODY = 256 * 1024
"""Bytes. Events are thin: ids and states (T 8.1)."""

_BODY_WITHIN_S = 5.0
_HEALTHY_WITHIN_S = 2.0


@dataclass(slots=True)
class Counters:
    """What happened to requests since the start, beside what the intake counts."""

    received: int = 0
    forged: int = 0
    malformed: int = 0
    oversize: int = 0
    unfinished: int = 0
    unavailable: int = 0


class Receiver:
    """The endpoints over one ledger."""

    def __init__(self, ledger: Ledger, app: TikTokApp, patience_s: float = PATIENCE_S) -> None:
        self.counters = Counters()
        self._ledger = ledger
        self._app = app
        self._intake = Intake(self._store, patience_s=patience_s)
        self._watch = ForgeryWatch()
        self._probe: asyncio.Task[bool] | None = None
        self._call: asyncio.Task[None] | None = None

    async def receive(self, request: Request) -> Response:
        """Take one event."""
        counters = self.counters
        counters.received += 1
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                body = await _body_of(request)
        except (TimeoutError, ClientDisconnect):
            counters.unfinished += 1
            return Response(status_code=408)
        if body is None:
            counters.oversize += 1
            return Response(status_code=413, headers={"connection": "close"})
        header = request.headers.get("authorization", "")
        if not is_genuine(self._app.app_key, self._app.app_secret, body, header):
            counters.forged += 1
            self._call_for(self._watch.forged(self._ledger.clock.now()))
            return Response(status_code=401)
        self._watch.genuine(self._ledger.clock.now())
        event = event_of(body)
        counters.malformed += event.note.startswith(UNREADABLE)
        try:
            await self._intake.take(event)
        except NotStored:
            counters.unavailable += 1
            return Response(status_code=503)
        return Response(status_code=200)

    async def health(self, request: Request) -> Response:
        """Whether an event could be stored now."""
        # However many ask, the store is asked once at a time.
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(asyncio.to_thread(self._can_write))
        await asyncio.wait({self._probe}, timeout=_HEALTHY_WITHIN_S)
        is_healthy = self._probe.done() and self._probe.result()
        return JSONResponse({"healthy": is_healthy}, 200 if is_healthy else 503)

    async def metrics(self, request: Request) -> Response:
        """Counts since the start."""
        return JSONResponse(self.counts())

    def counts(self) -> dict[str, int]:
        """Requests by what became of them, events that were new or known, transactions that failed."""
        counters = self.counters
        return {
            **{name: getattr(counters, name) for name in Counters.__slots__},
            "stored": self._intake.stored,
            "duplicates": self._intake.duplicates,
            "store_failures": self._intake.failures,
        }

    async def finish(self) -> None:
        """Store what was accepted."""
        if self._call is not None:
            await self._call
        await self._intake.finish()

    def _store(self, events: Sequence[NewEvent]) -> int:
        with self._ledger.begin() as tx:
            return tx.inbox.store(events)

    def _call_for(self, alarm: str | None) -> None:
        if alarm is not None:
            self._call = asyncio.create_task(asyncio.to_thread(self._open_exception, alarm))

    def _open_exception(self, alarm: str) -> None:
        new = Reporter(self._ledger.clock, lambda kind: kind_named(kind).owner).exception(
            "forged_webhooks",
            channel=CHANNEL,
            shop="*",
            subject="system webhooks",
            cause="wrong_signature",
            message=alarm,
        )
        try:
            with self._ledger.begin() as tx:
                tx.exceptions.open(new)
        except (SQLAlchemyError, OSError) as error:
            # The next window calls again.
            _log.warning("an exception could not be opened: %s", type(error).__name__)

    def _can_write(self) -> bool:
        try:
            # Begins as a writer does, so a database that somebody keeps locked is found out too.
            with self._ledger.begin() as tx:
                tx.inbox.is_waiting(ORDERS)
        except (SQLAlchemyError, OSError):
            return False
        return True


def receiver_app(ledger: Ledger, app: TikTokApp, *, patience_s: float = PATIENCE_S) -> Starlette:
    """The receiver as an ASGI application, its `Receiver` as `state.receiver`.

    `patience_s` is how long a request waits for the store. The ledger stays the caller's to close.
    """
    receiver = Receiver(ledger, app, patience_s)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        await receiver.finish()

    routes = [
        *(Route(path, receiver.receive, methods=["POST"]) for path in PATHS),
        Route("/healthz", receiver.health, methods=["GET"]),
        Route("/metrics", receiver.metrics, methods=["GET"]),
    ]
    application = Starlette(routes=routes, lifespan=lifespan)
    application.state.receiver = receiver
    return application


async def _body_of(request: Request) -> bytes | None:
    """The whole body; None as soon as it is known to be too large."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 9 or int(announced) > LARGEST_BODY):
        return None
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)
