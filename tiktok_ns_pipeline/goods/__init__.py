"""What a TikTok SKU is in NetSuite: the account's items, and the seller's mapping of SKUs to them.

Orders are posted by it, stock is published by it; so the two never differ about a SKU.

And what has become of them: the lines of a Sales Order, how far they are billed and credited.
"""
