"""Observe: what TikTok says buyers gave back, landed as it came."""

from __future__ import annotations


def watermark_name(shop_code: str) -> str:
    """The cursor that says how far a shop's returns were read, on TikTok's clock."""
    return f"refunds:{shop_code}:returns"
