"""All tables of the ledger, as `ledger.schema` declares them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tiktok_ns_pipeline.ledger.schema import Quantity, UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "exceptions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("what_to_do", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=60), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=14), nullable=False),
        sa.Column("opened_at", UtcInstant(), nullable=False),
        sa.Column("due_at", UtcInstant(), nullable=True),
        sa.Column("last_seen_at", UtcInstant(), nullable=False),
        sa.Column("replay_requested_at", UtcInstant(), nullable=True),
        sa.Column("resolved_at", UtcInstant(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "channel", "shop", "subject", "cause", name="uq_exceptions_cause"),
    )
    op.create_index("ix_exceptions_state", "exceptions", ["state"], unique=False)
    op.create_index("ix_exceptions_subject", "exceptions", ["channel", "shop", "subject"], unique=False)
    op.create_table(
        "expected_returns",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("since", UtcInstant(), nullable=False),
        sa.Column("settled_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("channel", "shop", "order_id"),
    )
    is_unsettled = sa.text("settled_at IS NULL")
    op.create_index(
        "ix_expected_returns_open",
        "expected_returns",
        ["since"],
        unique=False,
        sqlite_where=is_unsettled,
        postgresql_where=is_unsettled,
    )
    op.create_table(
        "claims",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("claim_id", sa.String(length=120), nullable=False),
        sa.Column("order_id", sa.String(length=120), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("look_at", UtcInstant(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("told_at", UtcInstant(), nullable=False),
        sa.Column("decided_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("channel", "shop", "claim_id"),
    )
    op.create_index("ix_claims_order", "claims", ["channel", "shop", "order_id"], unique=False)
    is_to_be_looked_at = sa.text("look_at IS NOT NULL")
    op.create_index(
        "ix_claims_look_at",
        "claims",
        ["shop", "look_at"],
        unique=False,
        sqlite_where=is_to_be_looked_at,
        postgresql_where=is_to_be_looked_at,
    )
    op.create_table(
        "governor_budgets",
        sa.Column("system", sa.String(length=60), nullable=False),
        sa.Column("ceiling", sa.Integer(), nullable=False),
        sa.Column("breaker_until", UtcInstant(), nullable=True),
        sa.Column("breaker_reason", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("system"),
    )
    op.create_table(
        "governor_leases",
        sa.Column("system", sa.String(length=60), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("system", "holder"),
    )
    op.create_table(
        "intents",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("flow", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("business_key", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", UtcInstant(), nullable=False),
        sa.Column("deadline", UtcInstant(), nullable=True),
        sa.Column("depends_on", sa.String(length=200), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("holder", sa.String(length=80), nullable=True),
        sa.Column("lease_until", UtcInstant(), nullable=True),
        sa.Column("observed_at", UtcInstant(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "shop", "kind", "business_key", "revision", name="uq_intents_fact"),
    )
    op.create_index("ix_intents_due", "intents", ["state", "not_before"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_intents_prefix",
            "intents",
            ["channel", "shop", "kind", "business_key"],
            unique=False,
            postgresql_ops={"business_key": "text_pattern_ops"},
        )
    is_open = sa.text("state IN ('planned', 'sending', 'ambiguous', 'waiting')")
    op.create_index(
        "ix_intents_open",
        "intents",
        ["lane", "not_before", "id"],
        unique=False,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "links",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("business_key", sa.String(length=120), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("record_type", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("internal_id", sa.String(length=60), nullable=False),
        sa.Column("document_number", sa.String(length=60), nullable=True),
        sa.Column("payload_hash", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("read_back_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "shop", "kind", "business_key", name="uq_links_fact"),
    )
    op.create_index("ix_links_external", "links", ["external_id"], unique=False)
    op.create_index("ix_links_reference", "links", ["reference"], unique=False)
    is_unread = sa.text("(read_back_hash IS NULL OR read_back_hash <> payload_hash)")
    op.create_index(
        "ix_links_unread",
        "links",
        ["kind", "updated_at", "id"],
        unique=False,
        sqlite_where=is_unread,
        postgresql_where=is_unread,
    )
    op.create_table(
        "oauth_tokens",
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("access_expires_at", UtcInstant(), nullable=True),
        sa.Column("lock_holder", sa.String(length=80), nullable=True),
        sa.Column("lock_until", UtcInstant(), nullable=True),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "stock_balances",
        sa.Column("account", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("sku", sa.String(length=120), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=False),
        sa.Column("quantity", Quantity(), nullable=False),
        sa.Column("position_id", _ID, nullable=False),
        sa.Column("changed_at", UtcInstant(), nullable=False),
        sa.Column("read_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("account", "shop", "sku", "place"),
    )
    op.create_table(
        "stock_holds",
        sa.Column("account", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("sku", sa.String(length=120), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=False),
        sa.Column("quantity", Quantity(), nullable=False),
        sa.Column("changed_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("account", "shop", "reference", "sku", "place"),
    )
    is_held = sa.text("account = 'uncommitted' AND quantity <> 0")
    op.create_index(
        "ix_stock_holds_open",
        "stock_holds",
        ["sku", "shop", "reference"],
        unique=False,
        sqlite_where=is_held,
        postgresql_where=is_held,
    )
    op.create_table(
        "stock_positions",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=20), nullable=False),
        sa.Column("shop", sa.String(length=40), nullable=False),
        sa.Column("sku", sa.String(length=120), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=False),
        sa.Column("movement", sa.String(length=20), nullable=False),
        sa.Column("quantity", Quantity(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("happened_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_stock_positions_key",
        "stock_positions",
        ["account", "shop", "sku", "place", "id"],
        unique=False,
    )
    op.create_index(
        "ix_stock_positions_movement", "stock_positions", ["account", "movement", "at"], unique=False
    )
    op.create_table(
        "webhook_inbox",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("notification_id", sa.String(length=120), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("event_type", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("flow", sa.String(length=40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("handled_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("notification_id"),
    )
    op.create_index("ix_webhook_inbox_handled", "webhook_inbox", ["handled_at"], unique=False)
    is_unhandled = sa.text("handled_at IS NULL")
    op.create_index(
        "ix_webhook_inbox_unhandled",
        "webhook_inbox",
        ["flow", "shop_id", "id"],
        unique=False,
        sqlite_where=is_unhandled,
        postgresql_where=is_unhandled,
    )
    op.create_table(
        "exception_events",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("exception_id", _ID, nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["exception_id"],
            ["exceptions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_exception_events_exception_id"), "exception_events", ["exception_id"], unique=False
    )


def downgrade() -> None:
    """Not offered: restore a backup instead."""
    raise NotImplementedError("restore a backup of the ledger instead of downgrading it")
