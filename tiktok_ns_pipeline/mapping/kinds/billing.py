"""What keeps a shipment from being billed, or makes the bill differ from what was ordered."""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

BILLING_KINDS = (
    kind(
        "unbillable_fulfilment",
        "A shipment cannot be billed",
        "finance",
        "error",
        48,
        "Open the Item Fulfillment and its Sales Order in NetSuite and correct what the message names. If it "
        "was billed by hand, resolve this with the bill's number.",
        "N 2.8, 5.6",
        before_dispatch=False,
    ),
    kind(
        "no_open_period",
        "No open accounting period for a bill's day",
        "finance",
        "error",
        24,
        "Open the period, or the next one, in NetSuite. The bill is then made by itself.",
        "N 4.2",
        before_dispatch=False,
    ),
    kind(
        "bill_differs",
        "A bill is not what its shipment says",
        "finance",
        "critical",
        24,
        "Compare the Cash Sale or Invoice with the Sales Order's lines. Correct it and the script, workflow "
        "or tax rule that changed it, then replay: it is read once more.",
        "N 2.8, 8",
        before_dispatch=False,
    ),
)
