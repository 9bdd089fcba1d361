"""The proof of payouts: what TikTok settled and paid, against journals, bank and clearing account.

It reads both systems anew and never looks at our journals' plans, matches or intents.
"""
