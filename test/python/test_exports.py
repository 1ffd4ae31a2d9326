"""Exports as pandas and Polars open them: every row once, in types that mean what they are."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import attune

TABLES = ["events", "decisions", "outcomes", "rewards", "experiences", "decision_candidates", "lift", "model_health", "funnel", "stages"]


@pytest.fixture(scope="module")
def warehouse():
    with attune.warehouse() as client:
        yield client


@pytest.mark.parametrize("table", TABLES)
def test_every_table_and_view_opens_in_pandas_and_polars_with_all_its_rows(exported, warehouse, table):
    final = " FINAL" if table in ("events", "decisions", "outcomes", "rewards", "feature_sets", "stages") else ""
    expected = warehouse.command(f"SELECT count() FROM {table}{final}")
    path = exported(table, f"{table}.parquet")
    frame, polars = pd.read_parquet(path), pl.read_parquet(path)
    assert len(frame) == polars.height == expected
    columns = [row[0] for row in warehouse.query(f"DESCRIBE TABLE {table}").result_rows]
    assert list(frame.columns) == polars.columns == columns
    # Nothing that is bytes: ids, keys and names are text.
    assert not [name for name, kind in polars.schema.items() if kind == pl.Binary]


def test_experiences_in_parquet_have_types_to_work_with(exported):
    polars = pl.read_parquet(exported("experiences", "experiences.parquet"))
    assert polars.schema["decided_at"] == pl.Datetime("ms", "UTC")
    assert polars.schema["features"] == pl.List(pl.Float32)
    assert polars.schema["context"].is_nested()
    assert polars.schema["rank"] == pl.UInt8 and polars.schema["reward"] == pl.Float64 and polars.schema["propensity"] == pl.Float32
    assert polars["decision_id"].str.len_chars().unique().to_list() == [36]
    assert polars["customer_key"].str.contains("^[0-9a-f]{32}$").all()
    frame = pd.read_parquet(exported("experiences", "experiences.parquet"))
    assert str(frame.decided_at.dtype) == "datetime64[ms, UTC]"
    assert frame.decided_at.is_monotonic_increasing
    assert frame.probability.between(0, 1).all()


def test_csv_and_parquet_hold_the_same(exported):
    table = pd.read_parquet(exported("experiences", "experiences.parquet"))
    text = pd.read_csv(exported("experiences", "experiences.csv"), parse_dates=["decided_at", "matured_at"], keep_default_na=False, na_values={"amount": [""], "target": [""]})
    assert list(text.columns) == list(table.columns) and len(text) == len(table)
    assert (text.decision_id == table.decision_id).all()
    assert (text.decided_at == table.decided_at).all()
    assert np.allclose(text.probability, table.probability.astype("float64"), rtol=1e-6)
    assert (text.target.isna() == table.target.isna()).all()
    assert json.loads(text.features[7]) == pytest.approx(list(table.features[7]), rel=1e-6)
    assert json.loads(text.context[7]) == dict(table.context[7])
    assert pl.read_csv(exported("experiences", "experiences.csv"), try_parse_dates=True).schema["decided_at"].base_type() == pl.Datetime


def test_the_words_of_causal_inference(exported):
    ours = pd.read_parquet(exported("experiences", "experiences.parquet"))
    theirs = pd.read_parquet(exported("experiences", "causal.parquet", "--words", "causal"))
    assert (theirs.propensity == ours.probability).all()
    assert (theirs.p_accepted == ours.propensity).all()
    assert "probability" not in theirs


def test_the_candidates_of_a_decision_sum_to_one(exported):
    frame = pl.read_parquet(exported("decision_candidates", "decision_candidates.parquet"))
    sums = frame.filter(pl.col("probability").is_not_null()).group_by("decision_id").agg(pl.col("probability").sum())
    assert sums["probability"].is_between(1 - 1e-4, 1 + 1e-4).mean() > 0.99


def test_a_selection_is_that_of_sql(exported, warehouse):
    path = exported("experiences", "some.parquet", "--where", "channel=web", "--where", "reward>0", "--columns", "decision_id,reward")
    frame = pl.read_parquet(path)
    assert frame.columns == ["decision_id", "reward"]
    assert frame.height == warehouse.command("SELECT count() FROM experiences WHERE channel = 'web' AND reward > 0") > 0


def test_no_customer_is_named_anywhere(exported):
    # The simulated operator calls its customers c-1, c-2, …; the events' personal fields are in events.yaml.
    for table in ("events", "decisions", "experiences"):
        raw = exported(table, f"{table}.csv").read_text()
        assert '"subject"' not in raw and "@example" not in raw
        assert not pd.read_csv(exported(table, f"{table}.csv"), usecols=["customer_key"]).customer_key.str.contains("-").any()
