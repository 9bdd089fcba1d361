"""Refunds and returns: what TikTok gives back becomes Return Authorizations and credits in NetSuite."""
