"""The proof of refunds: what TikTok gave back to buyers, against NetSuite's credits.

It reads both systems anew and never looks at our staged refunds or intents.
"""
