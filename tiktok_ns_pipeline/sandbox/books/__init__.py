"""The books behind the simulated NetSuite: records, business rules, stock.

Import from here; the modules below are its rooms: `catalogue` (which fields exist), `reading` and
`rendering` (the borders to JSON), `store` (where records live), `rules` (which rule makes what: `orders`,
`fulfilments`, `billing`, `returns`, `credits`, `payments`, `journals`, `movements`, `masters`), `stock`,
`postings` (the ledger), `seed` (what the account holds from the start).
"""

from tiktok_ns_pipeline.sandbox.books.book import ACCOUNT, TIME_ZONE, Books, Saved
from tiktok_ns_pipeline.sandbox.books.errors import BookError
from tiktok_ns_pipeline.sandbox.books.store import Record

__all__ = ["ACCOUNT", "TIME_ZONE", "BookError", "Books", "Record", "Saved"]
