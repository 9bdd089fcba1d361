"""Whether a webhook really comes from TikTok (T 8.2).

TikTok signs the very bytes of the body, so they are checked before anything is parsed. The protocol
has no protection against a replay: a genuine event may be old or come twice (T 8.1).
"""

from __future__ import annotations

import hashlib
import hmac


def signature(app_key: str, app_secret: str, raw_body: bytes) -> str:
    """What the `Authorization` header of this body must be: lower-case hex (T 8.2)."""
    return hmac.new(app_secret.encode(), app_key.encode() + raw_body, hashlib.sha256).hexdigest()


def is_genuine(app_key: str, app_secret: str, raw_body: bytes, authorization: str) -> bool:
    """Whether the `Authorization` header signs these very bytes, compared in constant time."""
    expected = signature(app_key, app_secret, raw_body)
    # Whatever a stranger sent can be encoded this way, also half a character.
    return hmac.compare_digest(expected.encode(), authorization.encode(errors="surrogatepass"))
