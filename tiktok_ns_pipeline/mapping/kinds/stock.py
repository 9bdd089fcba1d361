"""What keeps TikTok from showing the right stock, or makes a stock level doubtful.

Each concerns one SKU, item or warehouse, whose last level stays meanwhile; an implausible reading of
all stock stops every level.
"""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

STOCK_KINDS = (
    kind(
        "malformed_listing",
        "TikTok's listing cannot be read",
        "data",
        "error",
        24,
        "Compare the product in Seller Center with the message, and correct it there if it is wrong. Report "
        "its id to whoever maintains the pipeline if it is right.",
        "T 5.2",
        before_dispatch=False,
    ),
    kind(
        "malformed_stock",
        "A stock level cannot be read",
        "data",
        "error",
        8,
        "The message says which system gave the number and what is wrong with it. Correct it there, or "
        "report it to whoever maintains the pipeline.",
        "T 5.3, N 3.4",
        before_dispatch=False,
    ),
    kind(
        "unmapped_listing",
        "No NetSuite item for a listing",
        "operations",
        "error",
        24,
        "Give the NetSuite item the seller SKU, correct the SKU in Seller Center, or add it under `items` of "
        "the mapping; with `stock: {publish: false}` there its stock is left to you.",
        "T 5.2, 9.4",
        before_dispatch=False,
    ),
    kind(
        "unmapped_stock_warehouse",
        "A TikTok warehouse has no NetSuite location",
        "operations",
        "error",
        8,
        "Add the warehouse under `warehouses` of the mapping. TikTok takes the stock of a SKU for all of its "
        "warehouses or for none, so its listings wait for it.",
        "T 4.5, 5.3",
        before_dispatch=False,
    ),
    kind(
        "stock_refused",
        "TikTok does not take a stock level",
        "operations",
        "error",
        8,
        "Read TikTok's sentence and open the product in Seller Center. Remove what hinders it there, or set "
        "`publish: false` under `items.<sku>.stock` if its stock cannot be set, then replay.",
        "T 2.3, 5.3",
        before_dispatch=False,
    ),
    kind(
        "stock_locked",
        "A campaign holds stock that is not there",
        "operations",
        "error",
        4,
        "TikTok does not lower the stock below what a campaign has reserved. Lower the campaign's stock in "
        "Seller Center, or move goods to the warehouse; the level is then set by itself.",
        "T 5.3",
        before_dispatch=False,
        may_pass=True,
    ),
    kind(
        "stock_unknown",
        "NetSuite does not return an item's stock any more",
        "operations",
        "error",
        4,
        "Open the item in NetSuite: is it inactive, or gone from the location, or hidden from the role? "
        "Correct it, or set the listing's stock in Seller Center and `publish: false` under `items` of the "
        "mapping.",
        "N 3.4",
        before_dispatch=False,
    ),
    kind(
        "stock_snapshot_implausible",
        "Too many items lost their stock at once",
        "data",
        "critical",
        1,
        "Nothing is published. Compare some of the items named in NetSuite. If their stock is gone indeed, "
        "resolve this: the next reading is believed. Otherwise mend the role, import or script that hides "
        "it.",
        "N 3.4",
        before_dispatch=False,
    ),
    kind(
        "oversold_sku",
        "More was sold than can be delivered",
        "operations",
        "critical",
        4,
        "Find goods: receive, transfer or buy them in NetSuite. What cannot be delivered has to be cancelled "
        "in Seller Center before its dispatch deadline.",
        "T 3.2, 5.3",
    ),
    kind(
        "fbt_stock_differs",
        "TikTok's own warehouse counts other stock than NetSuite",
        "operations",
        "warning",
        72,
        "Compare the warehouse's movements in Seller Center with the location in NetSuite. Where TikTok is "
        "right, enter the Inventory Adjustment that the message proposes.",
        "T 5.3",
        before_dispatch=False,
    ),
)
