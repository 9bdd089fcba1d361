"""What keeps a payout from the books, or makes it differ from what TikTok paid.

Each concerns one statement or payout, which is posted whole or not at all.
"""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

SETTLEMENT_KINDS = (
    kind(
        "malformed_statement",
        "TikTok's statement or payout cannot be read",
        "data",
        "error",
        24,
        "Compare the statement in Seller Center with the message, and report its id to whoever maintains the "
        "pipeline.",
        "T 7.3, 7.5, 7.9",
        before_dispatch=False,
    ),
    kind(
        "statement_does_not_add_up",
        "A statement is not the sum of its transactions",
        "finance",
        "critical",
        24,
        "Download the statement in Seller Center and compare it with the message. Differences of one minor "
        "unit go to the residual account; ask TikTok's seller support about others.",
        "T 7.4",
        before_dispatch=False,
    ),
    kind(
        "unmapped_fee",
        "An amount of a payout has no account",
        "finance",
        "error",
        24,
        "The payout waits. Decide the account, and put the line that the message proposes into the mapping "
        "with the account's id.",
        "T 7.4, 7.5",
        before_dispatch=False,
    ),
    kind(
        "unmapped_adjustment",
        "A kind of adjustment has no account",
        "finance",
        "error",
        24,
        "The payout waits. Look the adjustment up in Seller Center, decide the account, and put the line "
        "that the message proposes into the mapping.",
        "T 7.8",
        before_dispatch=False,
    ),
    kind(
        "unexplained_residual",
        "TikTok deducted more than it itemised",
        "finance",
        "error",
        48,
        "Compare the order in Seller Center with the message. Name an account as `settlements.residual` of "
        "the mapping, or have TikTok explain the difference and book it by hand.",
        "T 7.4",
        before_dispatch=False,
    ),
    kind(
        "settlement_account_missing",
        "A payout needs an account that the mapping does not name",
        "finance",
        "error",
        24,
        "Name the account that the message asks for, such as `reserve_account_id`, under `settlement` of the "
        "shop.",
        "T 7.9, 7.11, N 6",
        before_dispatch=False,
    ),
    kind(
        "payout_in_third_currency",
        "A payout arrived in a currency that is not booked",
        "finance",
        "error",
        24,
        "Book this payout by hand as the message says, with the payment's id in the memo, and resolve this "
        "with the document's number. For payouts to come, have TikTok pay in the shop's or the subsidiary's "
        "currency (Seller Center, Finance).",
        "T 7.9, 10.3",
        before_dispatch=False,
    ),
    kind(
        "order_rate_unknown",
        "A difference of exchange waits for orders without a rate",
        "finance",
        "error",
        72,
        "Bill the orders that the message names, each at one rate: the difference is booked by itself then. "
        "Resolve this to have it booked without them.",
        "N 6",
        before_dispatch=False,
    ),
    kind(
        "settled_order_unbilled",
        "TikTok settled an order that was never billed",
        "finance",
        "error",
        72,
        "Find the order in NetSuite by its TikTok id. Bill what was shipped, or read orders of that time "
        "again; if it was booked elsewhere, resolve this with the document's number.",
        "T 7.2, N 6",
        before_dispatch=False,
    ),
    kind(
        "settled_refund_uncredited",
        "TikTok settled a refund that NetSuite has no credit of",
        "finance",
        "error",
        72,
        "Look at the order's return and its other exceptions: what keeps the credit back is named there. "
        "Once the Credit Memo or Cash Refund is in NetSuite, it is settled by itself; if it was booked "
        "elsewhere, resolve this with the document's number.",
        "T 6.5, 7.2, N 6",
        before_dispatch=False,
    ),
    kind(
        "payout_differs",
        "A payout is not the sum of its statements",
        "finance",
        "critical",
        24,
        "Compare the payout in Seller Center with the bank's statement and the message, and ask TikTok's "
        "seller support about the difference. Nothing is posted for it.",
        "T 7.4, 7.9",
        before_dispatch=False,
    ),
    kind(
        "payout_failed",
        "TikTok could not pay out",
        "finance",
        "critical",
        24,
        "Check the bank account in Seller Center (Finance) and correct it there. TikTok pays again by "
        "itself.",
        "T 7.9",
        before_dispatch=False,
    ),
    kind(
        "payout_posting_differs",
        "What was posted for a payout is not what was sent",
        "finance",
        "critical",
        24,
        "Compare the journal or deposit with the message. Correct it and the script, workflow or approval "
        "that changed it, then replay: it is read once more.",
        "N 5.8, 8",
        before_dispatch=False,
    ),
)
