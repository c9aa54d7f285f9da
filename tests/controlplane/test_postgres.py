"""PostgreSQL is a real one, and each test has a database to itself."""

import sqlalchemy as sa

from tests.controlplane.postgres import Postgres


def test_a_fresh_database_is_empty_and_writable(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE t (x int)"))
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT x FROM t")).scalar_one() == 1
        assert str(connection.execute(sa.text("SHOW server_version")).scalar_one()) >= "15"
    engine.dispose()


def test_two_databases_do_not_see_each_other(postgres: Postgres) -> None:
    with postgres.database() as first, postgres.database() as second:
        engines = [sa.create_engine(first), sa.create_engine(second)]
        with engines[0].begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (x int)"))
        with engines[1].connect() as connection:
            assert sa.inspect(connection).get_table_names() == []
        for engine in engines:
            engine.dispose()
