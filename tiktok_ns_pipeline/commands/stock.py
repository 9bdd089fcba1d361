"""`tiktok-ns explain stock`."""

from __future__ import annotations

from typing import Annotated

import typer

from tiktok_ns_pipeline.commands.terminal import console, fail


def explain_stock(
    sku: Annotated[str, typer.Argument(help="seller SKU, TikTok SKU id or NetSuite item name")],
    shop: Annotated[str, typer.Option(help="only this shop, by its code")] = "",
) -> None:
    """Print every term of what a SKU shows, what moved it last, and why nothing is pushed if so.

    Needs all settings. Decides from our books with the mapping as it is now; writes nothing and asks no
    system.

    Example: tiktok-ns explain stock SKU-001 --shop us
    """
    from tiktok_ns_pipeline.clock import SystemClock
    from tiktok_ns_pipeline.inventory.explain import explanation
    from tiktok_ns_pipeline.inventory.standing import standing_of
    from tiktok_ns_pipeline.mapping import load_mapping
    from tiktok_ns_pipeline.settings import Settings

    settings = Settings.from_environment()
    found = standing_of(settings, load_mapping(settings.mapping_path), SystemClock(), sku, shop)
    if not found:
        fail(f"no shop that publishes its stock lists {sku}, as far as listings were read")
    for standing in found:
        for line in explanation(standing):
            console().print(line, markup=False, soft_wrap=True)
