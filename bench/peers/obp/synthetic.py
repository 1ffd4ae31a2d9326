"""Logs of obp's synthetic benchmark, and what obp makes of them: `python synthetic.py OUT SEEDS ROUNDS`.

For each seed OUT/SEED.bin holds, as float64: context (n × 5), action, reward, pscore (n each), policy and q̂ (n × 10 each); index.json the rest.
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np

import open_obp  # noqa: F401
from obp.dataset import SyntheticBanditDataset, linear_behavior_policy, logistic_reward_function
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    DoublyRobustWithShrinkageTuning,
    InverseProbabilityWeighting,
    RegressionModel,
    SelfNormalizedDoublyRobust,
    SelfNormalizedInverseProbabilityWeighting,
)
from obp.policy import IPWLearner
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
out, seeds, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ACTIONS, DIMS, FOLDS = 10, 5, 3
LAMBDAS = [10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10000.0, np.inf]
rows = []
for seed in range(seeds):
    dataset = SyntheticBanditDataset(
        n_actions=ACTIONS,
        dim_context=DIMS,
        reward_type="binary",
        reward_function=logistic_reward_function,
        behavior_policy_function=linear_behavior_policy,
        random_state=seed,
    )
    train = dataset.obtain_batch_bandit_feedback(n_rounds=rounds)
    test = dataset.obtain_batch_bandit_feedback(n_rounds=rounds)
    learner = IPWLearner(n_actions=ACTIONS, base_classifier=LogisticRegression(random_state=seed, max_iter=1000))
    learner.fit(context=train["context"], action=train["action"], reward=train["reward"], pscore=train["pscore"])
    # Its choice nine times of ten, else any: as an exploring policy.
    policy = 0.9 * learner.predict(context=test["context"]) + 0.1 / ACTIONS
    model = RegressionModel(n_actions=ACTIONS, base_model=LogisticRegression(random_state=seed, max_iter=1000))
    q_hat = model.fit_predict(
        context=test["context"], action=test["action"], reward=test["reward"], pscore=test["pscore"], n_folds=FOLDS, random_state=seed
    )
    given = dict(
        reward=test["reward"],
        action=test["action"],
        pscore=test["pscore"],
        action_dist=policy,
        estimated_rewards_by_reg_model=q_hat,
        position=np.zeros(rounds, dtype=int),
    )
    estimates = {
        "ips": InverseProbabilityWeighting(),
        "snips": SelfNormalizedInverseProbabilityWeighting(),
        "dm": DirectMethod(),
        "dr": DoublyRobust(),
        "sndr": SelfNormalizedDoublyRobust(),
        "dros": DoublyRobustWithShrinkageTuning(lambdas=list(LAMBDAS), tuning_method="slope"),
    }
    np.concatenate(
        [np.asarray(x, dtype=np.float64).ravel() for x in (test["context"], test["action"], test["reward"], test["pscore"], policy, q_hat)]
    ).tofile(out / f"{seed}.bin")
    rows.append(
        {
            "truth": float(dataset.calc_ground_truth_policy_value(test["expected_reward"], policy)),
            "estimates": {name: float(one.estimate_policy_value(**given)) for name, one in estimates.items()},
        }
    )
(out / "index.json").write_text(json.dumps({"actions": ACTIONS, "dims": DIMS, "rounds": rounds, "seeds": rows}))
