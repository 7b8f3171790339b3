from collections.abc import Iterator

import duckdb
import polars as pl
import pyarrow as pa
import pytest
import sqlglot


class Engine:
    """Tables that answer Athena's SQL: DuckDB, spoken to through sqlglot."""

    def __init__(self) -> None:
        self.duck = duckdb.connect()

    def hold(self, database: str, table: str, rows: pl.DataFrame) -> None:
        self.duck.register("given", rows.to_arrow())
        self.duck.sql(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
        self.duck.sql(f'CREATE OR REPLACE TABLE "{database}"."{table}" AS SELECT * FROM given')

    def ask(self, query: str) -> pa.Table:
        (said,) = sqlglot.transpile(query, read="athena", write="duckdb")
        return self.duck.sql(said).to_arrow_table()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty engine for Athena's SQL."""
    engine = Engine()
    yield engine
    engine.duck.close()
