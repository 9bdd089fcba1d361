"""What keeps a refund from its document, and goods and money that do not come together."""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

REFUND_KINDS = (
    kind(
        "malformed_return",
        "TikTok's return cannot be read",
        "operations",
        "error",
        24,
        "Open the return in Seller Center and act on it by hand; report its id to whoever maintains the "
        "pipeline.",
        "T 6.4",
        before_dispatch=False,
    ),
    kind(
        "return_needs_answer",
        "A buyer's return waits for an answer",
        "operations",
        "error",
        24,
        "Open the return in Seller Center and approve, reject or receive it before TikTok's deadline; TikTok "
        "decides for the buyer if nobody answers.",
        "T 6.1, 6.4",
    ),
    kind(
        "refund_unbilled",
        "A refund is for an order that was not billed",
        "finance",
        "error",
        48,
        "Bill what was shipped of the order, and the refund follows by itself. If nothing was shipped, "
        "resolve this with what became of the order.",
        "N 2.8, 6",
        before_dispatch=False,
    ),
    kind(
        "refund_exceeds_bill",
        "A refund is larger than what was billed",
        "finance",
        "error",
        48,
        "Compare the return in Seller Center with the bill. Book the difference by hand, or name an account "
        "for such differences under `refunds.larger_than_billed` of the shop.",
        "T 6.5, N 6",
        before_dispatch=False,
    ),
    kind(
        "refund_without_goods",
        "A refund was paid, and the goods have not come back",
        "operations",
        "warning",
        72,
        "Follow the return's tracking number. If the goods are lost, claim them from the carrier or TikTok, "
        "then resolve this with what became of them.",
        "T 6.4, N 5.7",
        before_dispatch=False,
    ),
    kind(
        "goods_without_refund",
        "Goods came back without a refund at TikTok",
        "operations",
        "warning",
        72,
        "Open the return in Seller Center and confirm that the parcel arrived. If there is no return, ask "
        "the buyer there, then resolve this.",
        "T 6.4, N 5.7",
        before_dispatch=False,
    ),
    kind(
        "refund_reversed",
        "A credited refund was taken back at TikTok",
        "finance",
        "error",
        48,
        "Read the return's history and its arbitration in Seller Center. If the refund was taken back, "
        "reverse the Credit Memo or Cash Refund in NetSuite; then resolve this.",
        "T 6.4",
        before_dispatch=False,
    ),
    kind(
        "credited_twice",
        "A refund may be in the books twice",
        "finance",
        "error",
        48,
        "Compare the order's credits in NetSuite with its returns in Seller Center. Delete what is too much, "
        "and the refund follows by itself; if the other credit is this refund's, resolve this.",
        "N 5.7, 6",
        before_dispatch=False,
    ),
    kind(
        "refund_differs",
        "A refund's document is not what was sent",
        "finance",
        "critical",
        24,
        "Compare the Credit Memo or Cash Refund with the message. Correct it and the script, workflow or tax "
        "rule that changed it, then replay: it is read once more.",
        "N 2.8, 8",
        before_dispatch=False,
    ),
)
