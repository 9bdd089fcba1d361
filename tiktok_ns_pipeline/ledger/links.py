"""Links: which NetSuite record stands for which document of the channel.

A link is written in the same transaction that moves its intent to applied, right after NetSuite
accepted the record: whoever finds a link may rely on the record having existed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_update
from tiktok_ns_pipeline.ledger.intents import FactKey, is_fact, link_reference


@dataclass(frozen=True, slots=True)
class Link:
    """Channel document <-> NetSuite record, with the hash and revision that NetSuite last accepted."""

    fact: FactKey
    record_type: str
    external_id: str
    internal_id: str
    document_number: str | None
    payload_hash: str
    version: int
    written_at: datetime | None = field(default=None, compare=False)
    """When the ledger last wrote it; None of a link that is not stored yet."""


_NOT_READ_BACK = (
    sa.select(schema.links)
    .where(schema.links.c.kind == sa.bindparam("of_kind"), schema.IS_UNREAD)
    .order_by(schema.links.c.updated_at, schema.links.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)


_SAVE = insert_or_update(
    schema.links,
    key=["channel", "shop", "kind", "business_key"],
    changing=[
        "record_type",
        "external_id",
        "internal_id",
        "document_number",
        "payload_hash",
        "version",
        "updated_at",
    ],
)


class Links:
    """The links, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def find(self, fact: FactKey) -> Link | None:
        """The link of a fact, if NetSuite has its record."""
        return self.find_many([fact]).get(fact)

    def find_many(self, facts: Iterable[FactKey]) -> dict[FactKey, Link]:
        """Links of several facts."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for fact in facts:
            groups.setdefault((fact.channel, fact.shop, fact.kind), []).append(fact.business_key)
        table = schema.links
        found: dict[FactKey, Link] = {}
        for (channel, shop, kind), keys in groups.items():
            for start in range(0, len(keys), 500):
                statement = sa.select(table).where(
                    table.c.channel == channel,
                    table.c.shop == shop,
                    table.c.kind == kind,
                    table.c.business_key.in_(keys[start : start + 500]),
                )
                for row in self._connection.execute(statement).mappings():
                    link = _link(row)
                    found[link.fact] = link
        return found

    def save(self, links: Sequence[Link]) -> None:
        """Write links; an existing one of the same fact takes the newer record, hash and version."""
        if not links:
            return
        self._connection.execute(_SAVE, [self._row(link) for link in links])

    def not_read_back(self, kind: str, *, limit: int = 1000) -> list[Link]:
        """Links whose record was not read back since it was last written, oldest first."""
        rows = self._connection.execute(_NOT_READ_BACK, {"of_kind": kind, "most": limit})
        return [_link(row) for row in rows.mappings()]

    def read_back(self, links: Sequence[Link]) -> None:
        """The records were read in NetSuite as their links say; keeps the document number."""
        if not links:
            return
        table = schema.links
        statement = (
            sa.update(table)
            .where(
                table.c.channel == sa.bindparam("at_channel"),
                table.c.shop == sa.bindparam("at_shop"),
                table.c.kind == sa.bindparam("at_kind"),
                table.c.business_key == sa.bindparam("at_key"),
                table.c.payload_hash == sa.bindparam("at_hash"),
            )
            .values(document_number=sa.bindparam("number"), read_back_hash=sa.bindparam("at_hash"))
        )
        self._connection.execute(
            statement,
            [
                {
                    "at_channel": link.fact.channel,
                    "at_shop": link.fact.shop,
                    "at_kind": link.fact.kind,
                    "at_key": link.fact.business_key,
                    "at_hash": link.payload_hash,
                    "number": link.document_number,
                }
                for link in links
            ],
        )

    def read_again(self, facts: Sequence[FactKey]) -> None:
        """Let the records of these facts be read back once more."""
        table = schema.links
        for fact in facts:
            self._connection.execute(
                sa.update(table)
                .where(
                    is_fact(table, fact),
                )
                .values(read_back_hash=None)
            )

    def count(self, kind: str, shop: str | None = None) -> int:
        """How many facts of a kind have a record."""
        table = schema.links
        statement = sa.select(sa.func.count()).where(table.c.kind == kind)
        if shop:
            statement = statement.where(table.c.shop == shop)
        return int(self._connection.execute(statement).scalar_one())

    def _row(self, link: Link) -> dict[str, Any]:
        return {
            "channel": link.fact.channel,
            "shop": link.fact.shop,
            "kind": link.fact.kind,
            "business_key": link.fact.business_key,
            "reference": link_reference(link.fact),
            "record_type": link.record_type,
            "external_id": link.external_id,
            "internal_id": link.internal_id,
            "document_number": link.document_number,
            "payload_hash": link.payload_hash,
            "version": link.version,
            "created_at": self._now,
            "updated_at": self._now,
        }


def _link(row: Mapping[Any, Any]) -> Link:
    return Link(
        fact=FactKey(row["channel"], row["shop"], row["kind"], row["business_key"]),
        record_type=row["record_type"],
        external_id=row["external_id"],
        internal_id=row["internal_id"],
        document_number=row["document_number"],
        payload_hash=row["payload_hash"],
        version=row["version"],
        written_at=row["updated_at"],
    )
