"""Kinds of business facts: the words by which flows meet in the ledger.

Rooms never import each other, but a closure must know whether its Sales Order is under way, and an
order must not be posted once its closure is known. So the kinds are named here, below all rooms.
"""

from __future__ import annotations

SALES_ORDER = "so"
"""The Sales Order of an order exists in NetSuite. Key: the channel's order id."""

CUSTOMER = "cust"
"""The customer that Sales Orders are for exists. Key: bucket or buyer."""

REFERENCE = "ref"
"""The channel knows the Sales Order's number. Key: order id."""

CLOSURE = "close"
"""The Sales Order of a cancelled order is closed, or never was. Key: order id."""

CANCEL_REPLY = "reply"
"""A buyer's request to cancel was answered by the mapping's rule. Key: cancel id."""

SHIPMENT = "ship"
"""The channel knows that a parcel left. Key: `<order id>.<fulfilment id>.<number of the parcel>`."""

CHANNEL_FULFILMENT = "if"
"""What TikTok's own warehouse shipped is an Item Fulfillment. Key: `<order id>.<package id>`."""

BILL = "bill"
"""What was shipped is billed. Key: `<order id>.<fulfilment id>`."""

STOCK_LEVEL = "stock"
"""A listing shows in each of its warehouses what can be promised there. Key: the channel's SKU id."""

PAYOUT_JOURNAL = "je"
"""What was paid out is booked. Key: the payment's id or the statement's, with the month behind for an
accrual."""

FX_JOURNAL = "fx"
"""The difference of exchange of a payout is booked. Key: the payment's id."""

CUSTOMER_PAYMENT = "pay"
"""Invoices of orders that a payout covers are paid out of clearing. Key: `<payment id>.<number>`."""

CREDIT_PAYMENT = "crpay"
"""Credit Memos of refunds that a payout covers are paid back out of clearing. Key as above."""

RETURN_AUTHORIZATION = "ra"
"""Goods of an order may come back. Key: return id, or cancel id."""

ITEM_RECEIPT = "ir"
"""Goods of an order are back, where that is ours to say. Key: return id, or cancel id."""

CREDIT = "credit"
"""A refund is a Credit Memo or a Cash Refund. Key: return id, or cancel id."""

REFUND_EXCESS = "rx"
"""What a refund is larger than what was billed is a Journal Entry. Key: return id, or cancel id."""
