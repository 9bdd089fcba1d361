"""Foreign text made fit to be stored and shown: one line, no control characters, not too long."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # they shape letters and emoji


def clean_text(text: str | None, length: int) -> str | None:
    """Text on one line without control and formatting characters, at most `length` long; None if empty."""
    if text is None:
        return None
    if text.isascii() and text.isprintable():
        return " ".join(text.split())[:length].strip() or None
    kept = (
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in unicodedata.normalize("NFC", text)
        if character in _JOINERS or unicodedata.category(character) not in ("Cf", "Cs", "Co", "Cn")
    )
    return " ".join("".join(kept).split())[:length].strip() or None
