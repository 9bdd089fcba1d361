-- Two databases on one server: Dagster's history and our ledger never share a schema.
CREATE DATABASE dagster;
CREATE DATABASE ledger;
