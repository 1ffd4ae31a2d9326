"""Writes fixture.json: fixed input, and what the Open Bandit Pipeline makes of it. `python make_fixture.py` (see open_obp.py), then `npm run format`."""
import json
from pathlib import Path

import numpy as np

import open_obp  # noqa: F401
from obp.ope import estimators, estimators_slate, estimators_tuning

ROWS, ACTIONS, SLOTS = 240, 5, 3
LAMBDAS = [0.5, 5.0, 50.0, 500.0, np.inf]
random = np.random.default_rng(20)


def distribution(sharpness):
    logits = random.normal(size=(ROWS, ACTIONS)) * sharpness
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.round(weights / weights.sum(axis=1, keepdims=True), 6) + 1e-6


behaviour, policy = distribution(1.2), distribution(1.6)
behaviour /= behaviour.sum(axis=1, keepdims=True)
policy /= policy.sum(axis=1, keepdims=True)
action = np.array([random.choice(ACTIONS, p=row) for row in behaviour])
pscore = behaviour[np.arange(ROWS), action]
mean = 1 / (1 + np.exp(-random.normal(size=(ROWS, ACTIONS))))
reward = np.round(mean[np.arange(ROWS), action] + random.normal(size=ROWS) * 0.3, 6)
q_hat = np.round(np.clip(mean + random.normal(size=mean.shape) * 0.15, 0, 1), 6)

given = dict(
    reward=reward,
    action=action,
    pscore=pscore,
    action_dist=policy[:, :, None],
    estimated_rewards_by_reg_model=q_hat[:, :, None],
    position=np.zeros(ROWS, dtype=int),
)
made = {
    "ips": estimators.InverseProbabilityWeighting(),
    "snips": estimators.SelfNormalizedInverseProbabilityWeighting(),
    "dm": estimators.DirectMethod(),
    "dr": estimators.DoublyRobust(),
    "sndr": estimators.SelfNormalizedDoublyRobust(),
}
expected = {name: float(one.estimate_policy_value(**given)) for name, one in made.items()}
for value in LAMBDAS:
    one = estimators.DoublyRobustWithShrinkage(lambda_=value)
    expected[f"dros/{value}"] = float(one.estimate_policy_value(**given))
chosen = {}
for method in ("slope", "mse"):
    one = estimators_tuning.DoublyRobustWithShrinkageTuning(lambdas=list(LAMBDAS), tuning_method=method)
    expected[f"dros/{method}"] = float(one.estimate_policy_value(**given))
    chosen[method] = float(one.best_hyperparam)

# Slates: three slots a decision, each slot's probability given the slots above.
above = {"behaviour": np.clip(distribution(0.7)[:, :SLOTS], 0.05, 1), "policy": np.clip(distribution(0.9)[:, :SLOTS], 0.05, 1)}
slate_reward = np.round(random.normal(size=(ROWS, SLOTS)) * 0.5 + 0.3, 6)
ids, slots = np.repeat(np.arange(ROWS), SLOTS), np.tile(np.arange(SLOTS), ROWS)
cascade = {name: np.cumprod(one, axis=1) for name, one in above.items()}
flat = dict(slate_id=ids, reward=slate_reward.ravel(), position=slots)
independent = estimators_slate.SlateIndependentIPS(len_list=SLOTS).estimate_policy_value(
    **flat, pscore_item_position=above["behaviour"].ravel(), evaluation_policy_pscore_item_position=above["policy"].ravel())
interaction = estimators_slate.SlateRewardInteractionIPS(len_list=SLOTS).estimate_policy_value(
    **flat, pscore_cascade=cascade["behaviour"].ravel(), evaluation_policy_pscore_cascade=cascade["policy"].ravel())
standard = estimators_slate.SlateStandardIPS(len_list=SLOTS).estimate_policy_value(
    **flat, pscore=np.repeat(cascade["behaviour"][:, -1], SLOTS), evaluation_policy_pscore=np.repeat(cascade["policy"][:, -1], SLOTS))

infinite = lambda x: "Infinity" if x == np.inf else x
fixture = {
    "obp": "0.5.7",
    "actions": ACTIONS,
    "action": action.tolist(),
    "reward": reward.tolist(),
    "probability": pscore.tolist(),
    "policy": policy.ravel().tolist(),
    "rewards": q_hat.ravel().tolist(),
    "lambdas": [infinite(x) for x in LAMBDAS],
    "expected": expected,
    "chosen": {name: infinite(x) for name, x in chosen.items()},
    "slots": {
        "count": SLOTS,
        "reward": slate_reward.ravel().tolist(),
        "probability": above["behaviour"].ravel().tolist(),
        "policy": above["policy"].ravel().tolist(),
        "expected": {"independent": float(independent), "cascade": float(interaction), "standard": float(standard)},
    },
}
Path(__file__).with_name("fixture.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
print({**expected, **fixture["slots"]["expected"]}, chosen)
