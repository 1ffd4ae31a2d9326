"""clickhouse-connect, with its defaults, on the embedded warehouse as it is."""

from __future__ import annotations

import json
import os
import datetime as dt
from pathlib import Path

import clickhouse_connect
import pandas as pd
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

USERS = json.loads((Path(os.environ["ATTUNE_DATA_DIR"]) / "warehouse" / "users.json").read_text())


def connect(username: str = "reader", **options):
    return clickhouse_connect.get_client(
        host="127.0.0.1",
        port=int(os.environ["ATTUNE_WAREHOUSE_PORT"]),
        username=username,
        password=USERS[username],
        database="attune",
        **options,
    )


@pytest.fixture(scope="module")
def client():
    with connect() as client:
        yield client


@pytest.fixture(scope="module")
def count(client) -> int:
    return client.command("SELECT count() FROM experiences")


def test_query_df_gives_a_frame_with_the_right_types(client, count):
    frame = client.query_df("SELECT * FROM experiences")
    assert len(frame) == count > 1_000
    assert isinstance(frame.decided_at.dtype, (pd.DatetimeTZDtype, type(pd.Series(dtype="datetime64[ms]").dtype)))
    assert frame["rank"].dtype == "uint8"
    assert frame.propensity.dtype == "float32" and frame.reward.dtype == "float64"
    assert frame.context.map(type).eq(dict).all()
    assert frame.channel.isin(["app", "web", "callCenter"]).all()


def test_query_arrow_gives_a_table(client, count):
    table = client.query_arrow("SELECT decided_at, channel, probability, features FROM experiences")
    assert table.num_rows == count
    assert [str(field.type) for field in table.schema] == ["timestamp[ms, tz=UTC]", "string", "float", "list<element: float not null>"] or (
        str(table.schema.field("features").type).startswith("list<") and str(table.schema.field("probability").type) == "float"
    )


def test_polars_by_way_of_arrow(client, count):
    frame = client.query_df_arrow("SELECT channel, reward, decided_at FROM experiences", dataframe_library="polars")
    assert frame.height == count
    assert str(frame.schema["decided_at"]).startswith("Datetime")


def test_streams_come_in_blocks(client):
    with client.query_df_stream("SELECT * FROM decision_candidates") as stream:
        rows = sum(len(block) for block in stream)
    assert rows == client.command("SELECT count() FROM decision_candidates")
    with client.query_arrow_stream("SELECT number FROM numbers(1000000)") as stream:
        assert sum(batch.num_rows for batch in stream) == 1_000_000


def test_parameters_bind_on_the_server_and_in_the_client(client):
    asked = {"channel": "app", "since": dt.datetime(2020, 1, 1), "names": ["it's", "app"]}
    server = client.query(
        "SELECT count() FROM experiences WHERE channel = {channel:String} AND decided_at > {since:DateTime64(3)} AND has({names:Array(String)}, channel)",
        parameters=asked,
    ).result_rows
    local = client.query("SELECT count() FROM experiences WHERE channel = %(channel)s", parameters=asked).result_rows
    assert server == local and server[0][0] > 0


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", True, False])
def test_whatever_compression_the_client_asks_for(compress):
    with connect(compress=compress) as client:
        assert client.query("SELECT number FROM numbers(100000)").row_count == 100_000


def test_files_in_other_formats(client):
    assert client.raw_query("SELECT 1 AS a", fmt="Parquet")[:4] == b"PAR1"
    assert client.raw_query("SELECT 1 AS a", fmt="CSVWithNames") == b'"a"\n1\n'


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.insert("stages", [[250, "x"]], column_names=["code", "name"]),
        lambda client: client.insert_df("stages", pd.DataFrame({"code": [250], "name": ["x"]})),
        lambda client: client.command("CREATE TABLE x (a Int8) ENGINE = Memory"),
        lambda client: client.command("DELETE FROM decisions WHERE 1"),
        lambda client: client.command("SELECT 1 INTO OUTFILE '/tmp/attune-stolen'"),
        lambda client: client.query("SELECT * FROM file('/etc/passwd', 'LineAsString')"),
    ],
    ids=["insert", "insert_df", "create", "delete", "into outfile", "file()"],
)
def test_the_reader_only_reads(client, act):
    with pytest.raises(DatabaseError, match="code: 164"):
        act(client)
    assert client.command("SELECT count() FROM stages WHERE code = 250") == 0


def test_a_mistake_is_told_in_the_words_of_clickhouse(client):
    with pytest.raises(DatabaseError, match="UNKNOWN_IDENTIFIER"):
        client.query("SELECT nothing FROM decisions")
    with pytest.raises(DatabaseError, match="code: 516"):
        clickhouse_connect.get_client(host="127.0.0.1", port=int(os.environ["ATTUNE_WAREHOUSE_PORT"]), username="reader", password="wrong")


def test_the_database_interface_of_python(client):
    from clickhouse_connect import dbapi

    connection = dbapi.connect(
        host="127.0.0.1", port=int(os.environ["ATTUNE_WAREHOUSE_PORT"]), username="reader", password=USERS["reader"], database="attune"
    )
    cursor = connection.cursor()
    cursor.execute("SELECT channel, count() AS n FROM experiences GROUP BY channel ORDER BY channel")
    assert [row[0] for row in cursor.fetchall()] == ["app", "callCenter", "web"]


def test_queries_beside_each_other():
    from concurrent.futures import ThreadPoolExecutor

    def ask(n: int) -> int:
        with connect() as client:
            return client.command(f"SELECT {n} + 0 * count() FROM experiences")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(16))) == list(range(16))
