"""What people have to do about cancellations: answer them, stop goods, settle what came too late."""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

CANCELLATION_KINDS = (
    kind(
        "malformed_cancellation",
        "TikTok's cancellation cannot be read",
        "operations",
        "error",
        8,
        "Open the order in Seller Center and act on the cancellation by hand; report its id to whoever "
        "maintains the pipeline.",
        "T 6.3",
    ),
    kind(
        "cancellation_requested",
        "A buyer asks to cancel and waits for an answer",
        "operations",
        "error",
        24,
        "Ask the warehouse whether the parcel can be stopped, then approve or reject the request in Seller "
        "Center. TikTok approves what nobody answers within the deadline.",
        "T 6.1",
    ),
    kind(
        "cancellation_reply_refused",
        "TikTok does not take the answer to a request to cancel",
        "operations",
        "error",
        8,
        "Answer the request in Seller Center. If TikTok does not know the reason for rejecting, correct "
        "`reject_reason` in the mapping.",
        "T 2.3, 6.2",
    ),
    kind(
        "pick_to_be_stopped",
        "An order was cancelled while the warehouse works on it",
        "operations",
        "critical",
        2,
        "Tell the warehouse to put the goods back, and delete the Item Fulfillment in NetSuite before "
        "anything is shipped.",
        "T 6.1, N 2.12",
    ),
    kind(
        "cancelled_too_late",
        "An order was cancelled after its fulfilment reached the cutoff",
        "operations",
        "critical",
        4,
        "The Sales Order stays open. If the parcel is still here, delete the Item Fulfillment: the order is "
        "closed by itself. If it left, have the carrier bring it back and settle it by a return.",
        "T 6.1, N 2.12",
        before_dispatch=False,
    ),
)
