"""The same log trains Vowpal Wabbit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from vowpalwabbit import Workspace

import attune


@pytest.fixture(scope="module")
def lines(exported):
    return [json.loads(line) for line in exported("decisions", "log.dsjson", "--label", "target").read_text().splitlines()]


def snips(lines, probability_of) -> tuple[float, float]:
    """Self-normalised inverse propensity score of a policy, and its standard error. @param probability_of: of the logged action, given the line"""
    weight = np.array([probability_of(line) / line["_label_probability"] for line in lines])
    reward = np.array([-line["_label_cost"] for line in lines])
    value = (weight * reward).sum() / weight.sum()
    return value, float(np.sqrt((weight**2 * (reward - value) ** 2).sum()) / weight.sum())


def test_there_is_a_line_for_every_matured_decision_that_a_model_took(lines):
    with attune.warehouse() as client:
        taken = client.command(
            "SELECT uniqExact(decision_id) FROM experiences WHERE rank = 1 AND loop = '' AND group_name != 'untouched' AND target IS NOT NULL"
        )
    nothing = sum(line["_label_cost"] == 0 and line["c"]["_multi"][line["_labelIndex"]]["Action"]["id"] == "none" for line in lines)
    assert 0 <= taken - (len(lines) - nothing) <= 0.01 * taken


def test_probabilities_are_the_logging_ones(lines):
    for line in lines:
        assert sum(line["p"]) == pytest.approx(1, abs=1e-4)
        assert line["a"][0] == line["_label_Action"] == line["_labelIndex"] + 1
        assert line["p"][0] == pytest.approx(line["_label_probability"])
        assert sorted(line["a"]) == list(range(1, len(line["c"]["_multi"]) + 1))
    # Weighted by them, the constant 1 is estimated as 1: the test of a logged probability.
    weights = [1 / len(line["p"]) / line["_label_probability"] for line in lines]
    error = np.std(weights) / np.sqrt(len(weights))
    assert abs(np.mean(weights) - 1) < 4 * error + 0.02


def test_vowpal_wabbit_learns_a_policy_from_it_whose_value_makes_sense(lines, exported):
    half = len(lines) // 2
    vw = Workspace("--dsjson --cb_explore_adf --cb_type mtr --epsilon 0 -q AC -q AR -q AF --quiet")
    for line in lines[:half]:
        examples = vw.parse(json.dumps(line))
        vw.learn(examples)
        vw.finish_example(examples)

    def probability_of(line) -> float:
        examples = vw.parse(json.dumps(line))
        probabilities = vw.predict(examples)
        vw.finish_example(examples)
        return dict(probabilities)[line["_labelIndex"]] if isinstance(probabilities[0], tuple) else probabilities[line["_labelIndex"]]

    test = lines[half:]
    learned, error = snips(test, probability_of)
    uniform, _ = snips(test, lambda line: 1 / len(line["p"]))
    logged = -np.mean([line["_label_cost"] for line in test])
    print(f"accepted: uniform {uniform:.3f}, as logged {logged:.3f}, Vowpal Wabbit's policy {learned:.3f} ± {1.96 * error:.3f}")
    vw.finish()
    assert 0 < uniform < 0.2
    assert 0 < learned < 0.4
    # Of what a pilot of this size can say: not worse than chance, and not out of all proportion to what was logged.
    assert learned + 1.96 * error > uniform
    assert learned - 1.96 * error < 3 * logged


def test_the_command_line_reads_the_file_itself(exported, lines):
    vw = Workspace(f"--dsjson --cb_explore_adf --quiet -d {exported('decisions', 'log.dsjson', '--label', 'target')}")
    assert vw.get_weighted_examples() == len(lines)
    vw.finish()
