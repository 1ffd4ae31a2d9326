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


# Actions crossed with requests and among themselves, small steps: what some thousand lines can teach.
LEARNER = "--ignore F -q AA -q AR -l 0.02 --quiet --dsjson"


def snips(lines, probability_of) -> tuple[float, float, float]:
    """
    Self-normalised inverse propensity score of a policy's acceptance, and its 95 % interval (Agresti-Coull on the effective sample size:
    with a dozen effective decisions and no acceptance among them the usual standard error would be 0).
    """
    weight = np.array([probability_of(line) / line["_label_probability"] for line in lines])
    reward = np.array([-line["_label_cost"] for line in lines])
    value, n = (weight * reward).sum() / weight.sum(), weight.sum() ** 2 / (weight**2).sum()
    middle = (value * n + 2) / (n + 4)
    half = 1.96 * np.sqrt(middle * (1 - middle) / (n + 4))
    return value, max(0.0, middle - half), min(1.0, middle + half)


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


def test_vowpal_wabbit_learns_who_accepts(lines):
    """Each line is forecast before it is learned; the later two thirds count."""
    vw = Workspace(f"--cb_adf --cb_type ips {LEARNER}")
    forecasts = []
    for line in lines:
        examples = vw.parse(json.dumps(line))
        vw.learn(examples)
        forecasts.append(-examples[0].get_action_scores()[line["_labelIndex"]])
        vw.finish_example(examples)
    vw.finish()
    late = len(lines) // 3
    accepted = np.array([-line["_label_cost"] for line in lines])[late:]
    ranks = np.argsort(np.argsort(forecasts[late:])) + 1
    positives = accepted.sum()
    auc = (ranks[accepted == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(accepted) - positives))
    print(f"AUC of Vowpal Wabbit's forecasts {auc:.3f}")
    assert auc > 0.5


def test_the_policy_that_vowpal_wabbit_learns_has_a_value_that_makes_sense(lines):
    half = len(lines) // 2
    vw = Workspace(f"--cb_explore_adf --cb_type mtr --epsilon 0.2 {LEARNER}")
    for line in lines[:half]:
        examples = vw.parse(json.dumps(line))
        vw.learn(examples)
        vw.finish_example(examples)

    def probability_of(line) -> float:
        examples = vw.parse(json.dumps(line))
        probabilities = vw.predict(examples)
        vw.finish_example(examples)
        assert sum(probabilities) == pytest.approx(1, abs=1e-3)
        return probabilities[line["_labelIndex"]]

    test = lines[half:]
    learned, low, high = snips(test, probability_of)
    vw.finish()
    uniform, *_ = snips(test, lambda line: 1 / len(line["p"]))
    logged = -np.mean([line["_label_cost"] for line in test])
    print(f"accepted: uniform {uniform:.3f}, as logged {logged:.3f}, Vowpal Wabbit's policy {learned:.3f} ({low:.3f} to {high:.3f})")
    assert 0 < uniform < 0.2 and 0 < logged < 0.3
    assert low < 3 * logged and high > uniform


def test_the_command_line_reads_the_file_itself(exported, lines):
    vw = Workspace(f"--dsjson --cb_explore_adf --quiet -d {exported('decisions', 'log.dsjson', '--label', 'target')}")
    assert vw.get_weighted_examples() == len(lines)
    vw.finish()
