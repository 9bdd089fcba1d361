"""Migrations of the ledger, newest last in `versions/`."""
