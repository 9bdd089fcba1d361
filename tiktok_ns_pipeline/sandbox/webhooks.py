"""TikTok Shop's webhooks: the addresses that the app registered, and the events posted to them (T 8).

`WebhookDesk` answers the management API; what is registered is kept with the world, per shop and event
type. `WebhookEmitter` listens to the world and posts what happens, signed, and again after a failure
by the world's clock. Like TikTok's it promises nothing: with faults it drops, doubles, delays and
reorders, and what waits to be sent again when the sandbox ends is lost. Forged requests, signed with
another secret, show whether the receiver looks.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import hmac
import json
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, shop_of
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.tiktok_calls import Call, Refusal
from tiktok_ns_pipeline.sandbox.world import LATE_BY_AT_MOST_S, World
from tiktok_ns_pipeline.sandbox.world_events import WorldEvent

EVENT_TYPES: dict[str, int | None] = {
    "ORDER_STATUS_CHANGE": 1,
    "RECIPIENT_ADDRESS_UPDATE": 3,
    "PACKAGE_UPDATE": 4,
    "CANCELLATION_STATUS_CHANGE": 11,
    "RETURN_STATUS_CHANGE": 12,
    # Addresses are kept for these, but nothing of the kind happens in this world.
    **dict.fromkeys(
        (
            "REVERSE_STATUS_UPDATE",
            "PRODUCT_STATUS_CHANGE",
            "SELLER_DEAUTHORIZATION",
            "UPCOMING_AUTHORIZATION_EXPIRATION",
            "NEW_CONVERSATION",
            "NEW_MESSAGE",
            "NEW_MESSAGE_LISTENER",
            "PRODUCT_INFORMATION_CHANGE",
            "PRODUCT_CREATION",
            "PRODUCT_CATEGORY_CHANGE",
            "INVOICE_STATUS_CHANGE",
            "PRODUCT_AUDIT_STATUS_CHANGE",
        )
    ),
}
"""What can be registered (T 8.4), and the number of what this world sends."""

RETRY_AFTER_S = (120, 1_800, 10_800, 43_200)
"""Pauses before each further try (T 8.1); then the event is lost."""
ANSWER_WITHIN_S = 3.0
"""How long TikTok waits for an answer (T 8.1)."""

_LONGEST_ADDRESS = 255
# What is accepted as handled (T 8.1).
_HANDLED = {200, 401}
_POSTS_AT_ONCE = 20
_LOOK_AGAIN_S = 0.1
_FORGERS_SECRET = "somebody-else"  # noqa: S105 - signs what must be refused


class WebhookDesk:
    """The management API over the world's store (T 8.4)."""

    def __init__(self, world: World) -> None:
        self._world = world

    def listed(self, call: Call) -> str:
        """What is registered for the shop; the plan may hold back a fresh entry for a while."""
        now = self._world.now().timestamp()
        shown = [
            {name: entry[name] for name in ("event_type", "address", "create_time", "update_time")}
            for entry in self._entries(call.shop.key).values()
            if entry["listed_from"] <= now
        ]
        return json.dumps({"webhooks": shown, "total_count": len(shown)})

    def register(self, call: Call) -> str:
        """Create or replace the address of one event type."""
        body = call.json_body()
        event_type, address = _event_type(body), body.get("address")
        if not isinstance(address, str) or not address:
            raise Refusal(36009004, "param body.address is missing", 400)
        parts = urlsplit(address)
        if len(address) > _LONGEST_ADDRESS or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refusal(36009004, "param body.address is not valid", 400)
        shop, now = call.shop.key, int(self._world.now().timestamp())
        late = self._world.faults.strikes(FaultKind.late_visibility, "tiktok", f"webhook {event_type}")
        with self._world.store.transaction():
            entries = self._entries(shop)
            before = entries.get(event_type, {})
            entries[event_type] = {
                "event_type": event_type,
                "address": address,
                "create_time": before.get("create_time", now),
                "update_time": now,
                "listed_from": now + LATE_BY_AT_MOST_S if late else now,
            }
            self._keep(shop, entries)
        return "{}"

    def delete(self, call: Call) -> str:
        """Delete the address of one event type; there need not be one."""
        event_type = _event_type(call.json_body())
        with self._world.store.transaction():
            entries = self._entries(call.shop.key)
            entries.pop(event_type, None)
            self._keep(call.shop.key, entries)
        return "{}"

    def address_of(self, shop: str, number: int) -> str | None:
        """Where events of that number of a shop are posted."""
        for name, entry in self._entries(shop).items():
            if EVENT_TYPES[name] == number:
                return entry["address"]
        return None

    def _entries(self, shop: str) -> dict[str, dict[str, Any]]:
        return json.loads(self._world.store.note(f"webhooks {shop}") or "{}")

    def _keep(self, shop: str, entries: dict[str, dict[str, Any]]) -> None:
        self._world.store.remember(f"webhooks {shop}", json.dumps(entries))


def _event_type(body: dict[str, Any]) -> str:
    event_type = body.get("event_type")
    if event_type is None:
        raise Refusal(36009004, "param body.event_type is missing", 400)
    if event_type not in EVENT_TYPES:
        raise Refusal(36009004, "param body.event_type is not valid", 400)
    return event_type


Deliver = Callable[[str, dict[str, str], bytes], Awaitable[int]]
"""Posts a body with headers to an address; gives the HTTP status, 0 when there was no answer."""


def over_http(http: httpx.AsyncClient) -> Deliver:
    """Posts by this client, which may have any transport."""

    async def deliver(address: str, headers: dict[str, str], body: bytes) -> int:
        try:
            answer = await http.post(address, headers=headers, content=body, timeout=ANSWER_WITHIN_S)
        except httpx.HTTPError:
            return 0
        return answer.status_code

    return deliver


@dataclass(frozen=True, slots=True)
class _Post:
    shop: str
    number: int
    body: bytes
    secret: str = APP_SECRET
    tries: int = 0

    @property
    def is_forged(self) -> bool:
        return self.secret != APP_SECRET

    @property
    def headers(self) -> dict[str, str]:
        digest = hmac.new(self.secret.encode(), APP_KEY.encode() + self.body, hashlib.sha256).hexdigest()
        return {"Authorization": digest, "Content-Type": "application/json"}


class WebhookEmitter:
    """Posts what happens in a world. `deliver` is how; `counts` says what became of it.

    `run_due` does what is due by the world's clock; `next_due` says when that is (Unix seconds).
    `run` does so in a live server. In virtual time the caller turns it.
    """

    def __init__(self, world: World, faults: FaultPlan, deliver: Deliver) -> None:
        self.deliver = deliver
        self.default_address: str | None = None
        """Where events go for which none is registered, as set in the Partner Center (T 8.1)."""
        self.counts: Counter[str] = Counter()
        """`delivered`, `failed`, `lost` and `dropped`; `forged_refused`, `forged_accepted`; `nowhere`
        for what nobody registered."""
        self._world = world
        self._faults = faults
        self._desk = WebhookDesk(world)
        self._chance = random.Random(f"webhooks {world.seed}")
        self._happened: deque[WorldEvent] = deque()
        self._waiting: list[tuple[float, int, _Post]] = []
        self._number = 0
        # Told with the world's lock held, from any thread: only noted.
        world.listeners.append(self._happened.append)

    def address_of(self, shop: str, number: int) -> str | None:
        """Where events of that number of a shop are posted, if anywhere."""
        return self._desk.address_of(shop, number) or self.default_address

    def next_due(self) -> float | None:
        """When the next post is due, in Unix seconds of the world's clock; None when there is none."""
        self._plan_happened()
        return self._waiting[0][0] if self._waiting else None

    async def run_due(self) -> int:
        """Post what is due by now; how many posts that were."""
        posted = 0
        while due := self._take_due():
            for start in range(0, len(due), _POSTS_AT_ONCE):
                await asyncio.gather(*map(self._post, due[start : start + _POSTS_AT_ONCE]))
            posted += len(due)
        return posted

    async def run(self) -> None:
        """Live: post until cancelled."""
        while True:
            await self.run_due()
            await asyncio.sleep(_LOOK_AGAIN_S)

    def close(self) -> None:
        """Listen no more; what waits is lost."""
        self._world.listeners.remove(self._happened.append)
        self._waiting.clear()

    # Within

    def _take_due(self) -> list[_Post]:
        self._plan_happened()
        now = self._world.now().timestamp()
        due: list[_Post] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        return due

    def _plan_happened(self) -> None:
        while self._happened:
            self._plan(self._happened.popleft())

    def _plan(self, event: WorldEvent) -> None:
        """When the event is posted, how often, and by whom else."""

        def strikes(kind: FaultKind) -> bool:
            return self._faults.strikes(kind, "tiktok", f"webhook {event.webhook_type} {event.order_id}")

        if self.address_of(event.shop, event.webhook_type) is None:
            self.counts["nowhere"] += 1
            return
        post = _Post(event.shop, event.webhook_type, self._body(event))
        if strikes(FaultKind.webhook_forged):
            self._at(event.at, _Post(event.shop, event.webhook_type, self._body(event), _FORGERS_SECRET))
        if strikes(FaultKind.webhook_drop):
            self.counts["dropped"] += 1
            return
        due = float(event.at)
        if strikes(FaultKind.webhook_delay):
            due += self._chance.uniform(60, 900)
        if strikes(FaultKind.webhook_reorder):
            # Long enough for what happens next to overtake it.
            due += self._chance.uniform(1, 30)
        self._at(due, post)
        if strikes(FaultKind.webhook_duplicate):
            self._at(due + self._chance.uniform(0, 300), post)

    def _body(self, event: WorldEvent) -> bytes:
        self._number += 1
        # Ids like TikTok's, never twice, also after a new start of the same world.
        identity = f"7{event.at:010}{self._chance.randrange(10**4):04}{self._number % 10**4:04}"
        document = {
            "type": event.webhook_type,
            "tts_notification_id": identity,
            "shop_id": shop_of(event.shop).id,
            "timestamp": event.at,
            "data": event.data,
        }
        return json.dumps(document, separators=(",", ":")).encode()

    def _at(self, due: float, post: _Post) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (due, self._number, post))

    async def _post(self, post: _Post) -> None:
        address = self.address_of(post.shop, post.number)
        if address is None:
            self.counts["nowhere"] += 1
            return
        status = await self.deliver(address, post.headers, post.body)
        if post.is_forged:
            self.counts["forged_accepted" if status == 200 else "forged_refused"] += 1
        elif status in _HANDLED:
            self.counts["delivered" if status == 200 else "refused"] += 1
        elif post.tries < len(RETRY_AFTER_S):
            self.counts["failed"] += 1
            due = self._world.now().timestamp() + RETRY_AFTER_S[post.tries]
            again = _Post(post.shop, post.number, post.body, post.secret, post.tries + 1)
            self._at(due, again)
        else:
            self.counts["lost"] += 1
