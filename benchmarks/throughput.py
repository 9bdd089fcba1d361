"""How close the pipeline comes to what NetSuite's slots allow, beside a plain loop that does no more
than the same requests.

With every request taking `SAVE_S`, `slots / SAVE_S` Sales Orders a second is all that an account can
take. All orders wait at TikTok when the clock starts. The rate counts from the end of the first
Sales Order to the end of the last one, without the first `slots` of them: ramp-up (reading orders
and items, making customers) is left out, ramp-down (the last, unfilled round) is in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.stand import SAVE_S, Stand, seconds_of_cpu, stand
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.ledger import Ledger, schema
from tiktok_ns_pipeline.ledger.facts import SALES_ORDER
from tiktok_ns_pipeline.netsuite.auth import OAuth2ClientCredentials
from tiktok_ns_pipeline.orders.applying import customer_fact
from tiktok_ns_pipeline.orders.document import SalesOrderDocument
from tiktok_ns_pipeline.orders.flow import OrdersFlow, RunRequest
from tiktok_ns_pipeline.orders.records import FieldNames, sales_order_body
from tiktok_ns_pipeline.runtime import Runtime, open_runtime

SALES_ORDERS = "/services/rest/record/v1/salesOrder"


@dataclass(frozen=True)
class Flowed:
    """What a run of the pipeline took."""

    ends: Sequence[float]
    """When each Sales Order was known to be there, in seconds."""
    whole_s: float
    cpu_s: float
    bodies: Sequence[dict[str, Any]]


def throughput(slots: int, seconds: float, database_url: str | None = None) -> dict[str, Any]:
    """Ours and the yardstick at so many slots, with orders for about so many seconds."""
    orders = int(slots * seconds / SAVE_S)
    with stand(slots, database_url=database_url) as stood:
        stood.consent()
        stood.place(orders)
        calls_before, cpu_before = _calls(stood), seconds_of_cpu(stood.sandbox)
        ours = asyncio.run(_flow(stood, orders))
        calls, sandbox_cpu_s = _calls(stood) - calls_before, seconds_of_cpu(stood.sandbox) - cpu_before
        plain = asyncio.run(_plain_loop(stood, slots, ours.bodies))
        made = stood.stats()["sales_orders"]
    if made != 2 * orders:
        raise RuntimeError(f"{made} Sales Orders were made of {orders} orders, twice")
    limit = slots / SAVE_S
    our_share, plain_share = _rate(ours.ends, slots) / limit, _rate(plain, slots) / limit
    return {
        "slots": slots,
        "orders": orders,
        "database": "postgresql" if database_url else "sqlite",
        "share": our_share,
        "orders_per_s": our_share * limit,
        "yardstick_share": plain_share,
        "share_of_yardstick": our_share / plain_share,
        "share_with_ramp_up": orders / ours.whole_s / limit,
        "netsuite_calls_per_order": calls / orders,
        "pipeline_cpu_ms_per_order": 1000 * ours.cpu_s / orders,
        "sandbox_cpu_ms_per_order": 1000 * sandbox_cpu_s / orders,
    }


def _rate(ends: Sequence[float], slots: int) -> float:
    return (len(ends) - slots) / (max(ends) - min(ends))


def _calls(stood: Stand) -> int:
    return int(stood.stats()["requests"].get("netsuite", 0))


async def _flow(stood: Stand, orders: int) -> Flowed:
    """The real flow, until it finds nothing more to do."""
    began, cpu = time.time(), time.process_time()
    async with open_runtime(stood.settings) as runtime:
        report = await OrdersFlow(runtime, "benchmark").run(RunRequest(budget_s=3600, idle_s=2.5))
        cpu_s = time.process_time() - cpu
        ends = [end.timestamp() for end in _ends(runtime)]
        bodies = _bodies(runtime)
    if len(ends) != orders or report.trouble:
        raise RuntimeError(f"{len(ends)} of {orders} orders were posted; {report.trouble}")
    return Flowed(ends, max(ends) - began, cpu_s, bodies)


def _ends(runtime: Runtime) -> list[datetime]:
    table = schema.links
    with runtime.ledger.engine.connect().execution_options(ledger_writes=False) as connection:
        statement = sa.select(table.c.created_at).where(table.c.kind == SALES_ORDER)
        return list(connection.execute(statement).scalars())


def _bodies(runtime: Runtime) -> list[dict[str, Any]]:
    """The bodies that were sent, under other external ids."""
    names = runtime.mapping.custom_fields
    fields = FieldNames(
        order_id=names.body.order_id,
        shop=names.body.shop,
        payload_hash=names.body.payload_hash,
        fulfilment=names.body.fulfilment,
        line_ids=names.line.line_ids,
        line_key=names.line.line_key,
    )
    table = schema.intents
    with runtime.ledger.engine.connect().execution_options(ledger_writes=False) as connection:
        rows = connection.execute(sa.select(table).where(table.c.kind == SALES_ORDER)).mappings().all()
    bodies: list[dict[str, Any]] = []
    with runtime.ledger.read() as tx:
        for row in rows:
            payload = exact_json.loads(row["payload"])
            document = SalesOrderDocument.model_validate(payload["document"])
            customer = tx.links.find(customer_fact(row["channel"], row["shop"], payload["customer_key"]))
            assert customer is not None
            body = sales_order_body(document, customer.internal_id, row["payload_hash"], fields)
            bodies.append({**body, "externalId": f"yardstick-{document.external_id}"})
    return bodies


async def _plain_loop(stood: Stand, slots: int, bodies: Sequence[dict[str, Any]]) -> list[float]:
    """The same Sales Orders by a loop over httpx with as many workers as slots; gives each one's end."""
    headers = {**await _login(stood), "Content-Type": "application/json"}
    waiting = list(reversed(bodies))
    ends: list[float] = []
    limits = httpx.Limits(max_connections=slots, max_keepalive_connections=slots)
    async with httpx.AsyncClient(base_url=stood.urls.netsuite, limits=limits, timeout=60) as http:

        async def work() -> None:
            while waiting:
                content = exact_json.dumps(waiting.pop())
                answer = await http.post(SALES_ORDERS, content=content, headers=headers)
                answer.raise_for_status()
                ends.append(time.monotonic())

        await asyncio.gather(*(work() for _ in range(slots)))
    return ends


async def _login(stood: Stand) -> dict[str, str]:
    """The header of the login that the pipeline made."""
    settings = stood.settings
    ledger = Ledger.open(settings.database_url)
    async with httpx.AsyncClient() as http:
        login = OAuth2ClientCredentials(
            account_id=settings.netsuite.account,
            base_url=settings.netsuite.base_url,
            client_id=settings.netsuite.client_id,
            certificate_id=settings.netsuite.certificate_id,
            private_key_pem=settings.netsuite.private_key,
            store=ledger.token_store(settings.encryption_key),
            http=http,
            clock=SystemClock(),
            algorithm=settings.netsuite.algorithm,
        )
        headers = await login.headers("POST", stood.urls.netsuite + SALES_ORDERS)
    ledger.close()
    return headers
