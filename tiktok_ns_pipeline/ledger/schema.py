"""The ledger's tables, declared once.

Migrations create them (`ledger/migrations`); a test holds the two together. Instants are stored as
UTC: TIMESTAMPTZ in PostgreSQL, fixed-width ISO text in SQLite, so that text order is time order.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa


class UtcInstant(sa.types.TypeDecorator[datetime]):
    """A timezone-aware UTC instant, on both databases."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """TIMESTAMPTZ where it exists, text where it does not."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(32))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Refuse naive instants, which would silently mean a local clock."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; instants are UTC")
        value = value.astimezone(UTC)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Give the instant back as aware UTC."""
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


_MILLION = 1_000_000


class Quantity(sa.types.TypeDecorator[Decimal]):
    """An exact quantity with six places. SQLite, which has no decimals, counts millionths."""

    impl = sa.Numeric(20, 6)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """NUMERIC where it exists, whole millionths where it does not."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.Numeric(20, 6))

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        """Refuse what is finer than a millionth, which could not be stored as it is."""
        if value is None:
            return None
        millionths = value.scaleb(6)
        if millionths != millionths.to_integral_value():
            raise ValueError(f"{value} is finer than a millionth; quantities have at most six places")
        return int(millionths) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        """Give the quantity back as it was put in, without zeros after the point."""
        if value is None:
            return None
        if isinstance(value, int) and dialect.name == "sqlite" and not value % _MILLION:
            return Decimal(value // _MILLION)
        exact = Decimal(value).scaleb(-6) if dialect.name == "sqlite" else Decimal(value)
        whole = exact.to_integral_value()
        return whole if whole == exact else exact.normalize()


metadata = sa.MetaData()

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

intents = sa.Table(
    "intents",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("flow", sa.String(40), nullable=False),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("shop", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("business_key", sa.String(120), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.Column("lane", sa.String(20), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UtcInstant, nullable=False),
    sa.Column("deadline", UtcInstant),
    sa.Column("depends_on", sa.String(200)),
    sa.Column("last_error", sa.Text),
    sa.Column("holder", sa.String(80)),
    sa.Column("lease_until", UtcInstant),
    sa.Column("observed_at", UtcInstant),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("updated_at", UtcInstant, nullable=False),
    sa.UniqueConstraint("channel", "shop", "kind", "business_key", "revision", name="uq_intents_fact"),
)
sa.Index("ix_intents_due", intents.c.state, intents.c.not_before)
# Facts whose key begins with an order's id. Unlike SQLite, PostgreSQL orders texts by the language of the
# database, so that the index of the unique constraint does not find them.
sa.Index(
    "ix_intents_prefix",
    intents.c.channel,
    intents.c.shop,
    intents.c.kind,
    intents.c.business_key,
    postgresql_ops={"business_key": "text_pattern_ops"},
    info={"only_on": "postgresql"},
)
# What is open or unread stays few beside all that was ever done, and is what is asked for all the
# time. SQLite takes such an index only where a query states its condition in the same words.
IS_OPEN = sa.text("state IN ('planned', 'sending', 'ambiguous', 'waiting')")
sa.Index(
    "ix_intents_open",
    intents.c.lane,
    intents.c.not_before,
    intents.c.id,
    sqlite_where=IS_OPEN,
    postgresql_where=IS_OPEN,
)

links = sa.Table(
    "links",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("shop", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("business_key", sa.String(120), nullable=False),
    sa.Column("reference", sa.String(200), nullable=False),
    sa.Column("record_type", sa.String(60), nullable=False),
    sa.Column("external_id", sa.String(120), nullable=False),
    sa.Column("internal_id", sa.String(60), nullable=False),
    sa.Column("document_number", sa.String(60)),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("read_back_hash", sa.String(64)),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("updated_at", UtcInstant, nullable=False),
    sa.UniqueConstraint("channel", "shop", "kind", "business_key", name="uq_links_fact"),
)
sa.Index("ix_links_external", links.c.external_id)
sa.Index("ix_links_reference", links.c.reference)
IS_UNREAD = sa.text("(read_back_hash IS NULL OR read_back_hash <> payload_hash)")
sa.Index(
    "ix_links_unread",
    links.c.kind,
    links.c.updated_at,
    links.c.id,
    sqlite_where=IS_UNREAD,
    postgresql_where=IS_UNREAD,
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.String(120), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("updated_at", UtcInstant, nullable=False),
)

exceptions = sa.Table(
    "exceptions",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("shop", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(160), nullable=False),
    sa.Column("cause", sa.String(200), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("what_to_do", sa.Text, nullable=False),
    sa.Column("owner", sa.String(60), nullable=False),
    sa.Column("severity", sa.String(12), nullable=False),
    sa.Column("state", sa.String(14), nullable=False),
    sa.Column("opened_at", UtcInstant, nullable=False),
    sa.Column("due_at", UtcInstant),
    sa.Column("last_seen_at", UtcInstant, nullable=False),
    sa.Column("replay_requested_at", UtcInstant),
    sa.Column("resolved_at", UtcInstant),
    sa.Column("resolution", sa.Text),
    sa.UniqueConstraint("kind", "channel", "shop", "subject", "cause", name="uq_exceptions_cause"),
)
sa.Index("ix_exceptions_subject", exceptions.c.channel, exceptions.c.shop, exceptions.c.subject)
sa.Index("ix_exceptions_state", exceptions.c.state)

exception_events = sa.Table(
    "exception_events",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("exception_id", _ID, sa.ForeignKey("exceptions.id"), nullable=False, index=True),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("event", sa.String(20), nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)

oauth_tokens = sa.Table(
    "oauth_tokens",
    metadata,
    sa.Column("account", sa.String(120), primary_key=True),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("access_expires_at", UtcInstant),
    sa.Column("lock_holder", sa.String(80)),
    sa.Column("lock_until", UtcInstant),
    sa.Column("updated_at", UtcInstant, nullable=False),
)

webhook_inbox = sa.Table(
    "webhook_inbox",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("notification_id", sa.String(120), nullable=False, unique=True),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("shop_id", sa.String(40), nullable=False),
    sa.Column("event_type", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(160), nullable=False),
    sa.Column("flow", sa.String(40), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("received_at", UtcInstant, nullable=False),
    sa.Column("handled_at", UtcInstant),
)
IS_UNHANDLED = sa.text("handled_at IS NULL")
sa.Index(
    "ix_webhook_inbox_unhandled",
    webhook_inbox.c.flow,
    webhook_inbox.c.shop_id,
    webhook_inbox.c.id,
    sqlite_where=IS_UNHANDLED,
    postgresql_where=IS_UNHANDLED,
)
sa.Index("ix_webhook_inbox_handled", webhook_inbox.c.handled_at)

expected_returns = sa.Table(
    "expected_returns",
    metadata,
    sa.Column("channel", sa.String(20), primary_key=True),
    sa.Column("shop", sa.String(40), primary_key=True),
    sa.Column("order_id", sa.String(120), primary_key=True),
    sa.Column("reason", sa.String(40), nullable=False),
    sa.Column("since", UtcInstant, nullable=False),
    sa.Column("settled_at", UtcInstant),
)
IS_UNSETTLED = sa.text("settled_at IS NULL")
sa.Index(
    "ix_expected_returns_open",
    expected_returns.c.since,
    sqlite_where=IS_UNSETTLED,
    postgresql_where=IS_UNSETTLED,
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("channel", sa.String(20), primary_key=True),
    sa.Column("shop", sa.String(40), primary_key=True),
    sa.Column("claim_id", sa.String(120), primary_key=True),
    sa.Column("order_id", sa.String(120), nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("look_at", UtcInstant),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("told_at", UtcInstant, nullable=False),
    sa.Column("decided_at", UtcInstant),
)
sa.Index("ix_claims_order", claims.c.channel, claims.c.shop, claims.c.order_id)
IS_TO_BE_LOOKED_AT = sa.text("look_at IS NOT NULL")
sa.Index(
    "ix_claims_look_at",
    claims.c.shop,
    claims.c.look_at,
    sqlite_where=IS_TO_BE_LOOKED_AT,
    postgresql_where=IS_TO_BE_LOOKED_AT,
)

governor_leases = sa.Table(
    "governor_leases",
    metadata,
    sa.Column("system", sa.String(60), primary_key=True),
    sa.Column("holder", sa.String(80), primary_key=True),
    sa.Column("granted", sa.Integer, nullable=False),
    sa.Column("wanted", sa.Text, nullable=False),
    sa.Column("lease_until", UtcInstant, nullable=False),
)

governor_budgets = sa.Table(
    "governor_budgets",
    metadata,
    sa.Column("system", sa.String(60), primary_key=True),
    sa.Column("ceiling", sa.Integer, nullable=False),
    sa.Column("breaker_until", UtcInstant),
    sa.Column("breaker_reason", sa.Text),
    sa.Column("updated_at", UtcInstant, nullable=False),
)

# Ids are given by `ledger.stock`, which lets one writer at a time in: a later row has a larger id.
stock_positions = sa.Table(
    "stock_positions",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=False),
    sa.Column("account", sa.String(20), nullable=False),
    sa.Column("shop", sa.String(40), nullable=False),
    sa.Column("sku", sa.String(120), nullable=False),
    sa.Column("place", sa.String(60), nullable=False),
    sa.Column("movement", sa.String(20), nullable=False),
    sa.Column("quantity", Quantity, nullable=False),
    sa.Column("reference", sa.String(120), nullable=False),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("happened_at", UtcInstant),
)
sa.Index(
    "ix_stock_positions_key",
    stock_positions.c.account,
    stock_positions.c.shop,
    stock_positions.c.sku,
    stock_positions.c.place,
    stock_positions.c.id,
)
sa.Index(
    "ix_stock_positions_movement", stock_positions.c.account, stock_positions.c.movement, stock_positions.c.at
)

stock_balances = sa.Table(
    "stock_balances",
    metadata,
    sa.Column("account", sa.String(20), primary_key=True),
    sa.Column("shop", sa.String(40), primary_key=True),
    sa.Column("sku", sa.String(120), primary_key=True),
    sa.Column("place", sa.String(60), primary_key=True),
    sa.Column("quantity", Quantity, nullable=False),
    sa.Column("position_id", _ID, nullable=False),
    sa.Column("changed_at", UtcInstant, nullable=False),
    sa.Column("read_at", UtcInstant),
)

# What each order holds of a balance. Orders that hold nothing any more stay until they are rolled up,
# so those that do hold something are found by an index of their own.
stock_holds = sa.Table(
    "stock_holds",
    metadata,
    sa.Column("account", sa.String(20), primary_key=True),
    sa.Column("shop", sa.String(40), primary_key=True),
    sa.Column("reference", sa.String(120), primary_key=True),
    sa.Column("sku", sa.String(120), primary_key=True),
    sa.Column("place", sa.String(60), primary_key=True),
    sa.Column("quantity", Quantity, nullable=False),
    sa.Column("changed_at", UtcInstant, nullable=False),
)
IS_HELD = sa.text("account = 'uncommitted' AND quantity <> 0")
sa.Index(
    "ix_stock_holds_open",
    stock_holds.c.sku,
    stock_holds.c.shop,
    stock_holds.c.reference,
    sqlite_where=IS_HELD,
    postgresql_where=IS_HELD,
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
)
