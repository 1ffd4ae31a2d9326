"""What obp makes of rounds that another program has read: `python estimate.py OUT`; OUT/input.json names sizes, OUT/input.bin holds float64s:
action, reward, pscore (n each), policy and q̂ (n × K each). Writes OUT/output.json."""
import json
import sys
from pathlib import Path

import numpy as np

import open_obp  # noqa: F401
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    InverseProbabilityWeighting,
    SelfNormalizedDoublyRobust,
    SelfNormalizedInverseProbabilityWeighting,
)

out = Path(sys.argv[1])
sizes = json.loads((out / "input.json").read_text())
n, k = sizes["rounds"], sizes["actions"]
values = np.fromfile(out / "input.bin", dtype=np.float64)
action, reward, pscore = values[:n].astype(int), values[n : 2 * n], values[2 * n : 3 * n]
policy, q_hat = values[3 * n : 3 * n + n * k].reshape(n, k, 1), values[3 * n + n * k :].reshape(n, k, 1)
given = dict(
    reward=reward,
    action=action,
    pscore=pscore,
    action_dist=policy,
    estimated_rewards_by_reg_model=q_hat,
    position=np.zeros(n, dtype=int),
)
estimates = {
    "ips": InverseProbabilityWeighting(),
    "snips": SelfNormalizedInverseProbabilityWeighting(),
    "dm": DirectMethod(),
    "dr": DoublyRobust(),
    "sndr": SelfNormalizedDoublyRobust(),
}
(out / "output.json").write_text(json.dumps({name: float(one.estimate_policy_value(**given)) for name, one in estimates.items()}))
