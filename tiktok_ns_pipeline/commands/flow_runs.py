"""One run of a flow from the command line: what it opens, and what the run is called."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.commands.terminal import fail

if TYPE_CHECKING:
    from tiktok_ns_pipeline.runtime import Runtime
    from tiktok_ns_pipeline.settings import Settings


@asynccontextmanager
async def opened_for_run(settings: Settings, shops: Sequence[str]) -> AsyncGenerator[tuple[Runtime, str]]:
    """The runtime and the run's id; ends the command where the mapping has no such shop."""
    from tiktok_ns_pipeline.runtime import open_runtime

    async with open_runtime(settings) as runtime:
        if unknown := [code for code in shops if code not in runtime.mapping.shops]:
            fail(f"the mapping has no shop {', '.join(unknown)}; it has {', '.join(runtime.mapping.shops)}")
        yield runtime, f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S}-{settings.holder[-6:]}"
