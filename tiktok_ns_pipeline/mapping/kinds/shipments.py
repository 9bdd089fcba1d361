"""What keeps a shipment from TikTok, or makes what NetSuite and TikTok know of it differ.

The warehouse works in NetSuite, the buyer looks at TikTok, and TikTok counts late and wrong dispatches
against the seller: so these are due by the order's dispatch deadline.
"""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

_TRIED_AGAIN = "The shipment is tried again by itself."

SHIPMENT_KINDS = (
    kind(
        "malformed_fulfilment",
        "An Item Fulfillment cannot be read",
        "operations",
        "error",
        24,
        "Open the Item Fulfillment named in NetSuite and correct what the message names. It is read again "
        "when it is saved.",
        "N 5.5",
    ),
    kind(
        "malformed_package",
        "TikTok's package cannot be read",
        "operations",
        "error",
        24,
        "Compare the package in Seller Center. If it is right there, report its id to whoever maintains the "
        "pipeline; it is read again by itself.",
        "T 4.3",
    ),
    kind(
        "shipped_quantity_differs",
        "The shipped quantity is no whole number of the order's units",
        "operations",
        "error",
        24,
        "Compare the Item Fulfillment with the Sales Order's lines. Correct its quantities in NetSuite, or "
        "`units_per` or the kit of the SKU under `items` in the mapping.",
        "N 2.8, T 4.4",
    ),
    kind(
        "unmapped_carrier",
        "No TikTok provider for a carrier",
        "operations",
        "error",
        24,
        "Add the ship method or carrier named in the message under `carriers` of the mapping with the name "
        f"of TikTok's provider. {_TRIED_AGAIN}",
        "T 4.5",
    ),
    kind(
        "tracking_missing",
        "A parcel was shipped without a tracking number",
        "operations",
        "error",
        8,
        "Enter the parcel's tracking number into the packages of the Item Fulfillment in NetSuite. "
        f"{_TRIED_AGAIN}",
        "N 5.5, T 4.2",
    ),
    kind(
        "tracking_refused",
        "TikTok does not take the tracking number",
        "operations",
        "error",
        8,
        "Compare number and carrier with the label. Correct the Item Fulfillment in NetSuite or `carriers` "
        f"in the mapping. {_TRIED_AGAIN}",
        "T 2.3 (21011022, 21011025)",
    ),
    kind(
        "tracking_update_refused",
        "TikTok does not take a corrected tracking number",
        "operations",
        "warning",
        24,
        "TikTok takes corrections for 72 hours and only a few times. Ask TikTok's seller support to correct "
        "the number, then resolve this.",
        "T 2.3 (21011049-21011052), 4.2",
        before_dispatch=False,
    ),
    kind(
        "shipment_refused",
        "TikTok does not take the shipment",
        "operations",
        "error",
        8,
        "Read TikTok's sentence and open the order in Seller Center. Remove what hinders it there, then "
        "replay; if it had to be shipped there by hand, resolve this.",
        "T 2.3, 4.1",
        may_pass=True,
    ),
    kind(
        "label_not_bought",
        "A parcel left without TikTok's label",
        "operations",
        "critical",
        8,
        "TikTok's carrier takes the order, but TikTok has no label for the parcel. Stop the parcel, buy the "
        "label in Seller Center and enter its number into the Item Fulfillment in NetSuite.",
        "T 4.1",
        may_pass=True,
    ),
    kind(
        "combined_package_incomplete",
        "Not every order of a combined package is shipped",
        "operations",
        "error",
        8,
        "Ship the other orders of the package in NetSuite with the same tracking number, or take them out "
        "of the package in Seller Center.",
        "T 4.4",
        may_pass=True,
    ),
    kind(
        "dispatch_deadline_missed",
        "The dispatch deadline passed without a shipment",
        "operations",
        "critical",
        4,
        "Ship the order now and mark the Item Fulfillment as shipped with its tracking number, or cancel "
        "the order in Seller Center: TikTok cancels it by itself before long.",
        "T 3.2",
        before_dispatch=False,
    ),
    kind(
        "shipped_after_cancellation",
        "The parcel of a cancelled order was shipped",
        "operations",
        "critical",
        4,
        "TikTok pays nothing for it. Ask the carrier to stop the parcel and bring it back, receive it in "
        "NetSuite, then resolve this with what became of it.",
        "T 2.3 (21011041, 21011042), 6.1",
        before_dispatch=False,
    ),
    kind(
        "fulfilment_vanished",
        "An Item Fulfillment is gone that TikTok was told of",
        "operations",
        "critical",
        8,
        "TikTok takes no shipment back. If the parcel left, enter the Item Fulfillment again with the same "
        "tracking number; if not, ship it now or talk to TikTok's seller support. Then resolve this.",
        "N 2.12, T 4.2",
        before_dispatch=False,
    ),
)
