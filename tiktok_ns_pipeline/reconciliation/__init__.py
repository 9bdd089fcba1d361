"""The proofs: both systems read again and joined by business key, never through our own records."""
