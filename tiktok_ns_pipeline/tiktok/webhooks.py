"""Whether a webhook really comes from TikTok (T 8.2)."""

from __future__ import annotations

import hashlib
import hmac

from tiktok_ns_pipeline.tiktok.auth import TikTokApp


def verify_signature(app: TikTokApp, raw_body: bytes, authorization: str) -> bool:
    """Whether the `Authorization` header signs these very bytes (T 8.2), compared in constant time."""
    expected = hmac.new(app.app_secret.encode(), app.app_key.encode() + raw_body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), authorization.encode())
