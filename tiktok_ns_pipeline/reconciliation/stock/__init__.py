"""The proof of stock: what TikTok shows, against what NetSuite can still promise.

It reads both systems anew and never looks at our levels, positions or intents.
"""
