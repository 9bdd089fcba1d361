"""The proof of what follows an order: shipments, cancellations and bills, both systems read again.

The order proof says that each order has its Sales Order; this one says that what left the warehouse is
what TikTok shows, that what was called off is closed, and that what left is billed.
"""
