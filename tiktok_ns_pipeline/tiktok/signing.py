"""The signature that every request carries (T 2.1).

TikTok signs what it receives: the path, the *decoded* query values and the body's very bytes. So
the caller serialises the body once and hands the same bytes to `sign` and to the wire.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

# Both travel with some requests and are never part of the signed text (T 2.1).
_UNSIGNED = frozenset({"sign", "access_token"})


def sign(
    path: str,
    query: Mapping[str, str],
    body: bytes | None,
    content_type: str,
    app_secret: str,
) -> str:
    """The value of the query parameter `sign`: lower-case hex of HMAC-SHA256 (T 2.1).

    `path` is without host and query, `query` holds decoded values. The body of an upload
    (`multipart/form-data`) stays outside the signature.
    """
    secret = app_secret.encode()
    pairs = "".join(name + query[name] for name in sorted(query) if name not in _UNSIGNED)
    text = path.encode() + pairs.encode()
    if body is not None and not content_type.lower().startswith("multipart/form-data"):
        text += body
    return hmac.new(secret, secret + text + secret, hashlib.sha256).hexdigest()
