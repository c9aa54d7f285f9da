"""What a database URL means, and that a bad one is never repeated."""

from pathlib import Path

import pytest

from controller.adapters import open_store
from controller.adapters.database.url import PostgreSQLPlace, SQLitePlace, place_of, secrets_of
from controller.adapters.memory.store import MemoryStore
from controller.errors import StoreUnusable


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:////var/lib/t.db", "/var/lib/t.db"), ("sqlite:///t.db", "t.db"), (" sqlite:///a%20b.db\n", "a b.db")],
)
def test_a_file_is_named_by_its_path(url: str, path: str) -> None:
    assert place_of(url) == SQLitePlace(Path(path))


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres", "postgresql+psycopg2"])
def test_postgresql_is_spoken_through_psycopg_however_it_is_written(scheme: str) -> None:
    place = place_of(f"{scheme}://mara:s3cret@db.example:5433/trimtab?sslmode=verify-full")

    assert isinstance(place, PostgreSQLPlace)
    assert place.url.drivername == "postgresql+psycopg"
    assert str(place) == "PostgreSQL store db.example:5433/trimtab"
    assert secrets_of(place) == ("s3cret",)


def test_s35_a_password_in_the_query_is_a_secret_too() -> None:
    place = place_of("postgresql://db.example/trimtab?password=s3cret&sslpassword=t00&sslmode=require")

    assert set(secrets_of(place)) == {"s3cret", "t00"}
    assert "s3cret" not in str(place)


@pytest.mark.parametrize(
    "url",
    ["", "s3cret", "mysql://mara:s3cret@db/t", "postgresql://mara:s3cret@db:port/t", "sqlite://", "sqlite:///:memory:"],
)
def test_s35_a_bad_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(StoreUnusable) as refused:
        place_of(url)

    assert "s3cret" not in str(refused.value)
    assert "sqlite:////var/lib/trimtab" in str(refused.value)


async def test_memory_is_a_store_of_its_own() -> None:
    assert isinstance(await open_store("memory:"), MemoryStore)
