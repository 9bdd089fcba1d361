"""The door that every request passes: who may send now, in which lane.

Adapters ask a `Gate` for a slot around each HTTP request and know nothing of budgets; the engine's
governor is the gate in production (DESIGN 5), `OpenGate` lets everything through.
A lane says what starves first when slots are scarce.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Protocol

Lane = Literal["urgent", "orders", "documents", "finance", "bulk"]
LANES: tuple[Lane, ...] = ("urgent", "orders", "documents", "finance", "bulk")


class Gate(Protocol):
    """Grants slots. An error that passes through the slot with a true `throttled` attribute
    tells the gate to slow down."""

    def slot(self, lane: Lane) -> AbstractAsyncContextManager[None]:
        """Wait for the right to have one request under way, and hold it."""
        ...


class OpenGate:
    """Lets every request through at once."""

    @asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncGenerator[None]:
        """Grant a slot immediately."""
        yield
