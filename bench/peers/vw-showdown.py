"""Vowpal Wabbit on one bandit problem: SquareCB as it comes, and the best of a grid.

vw-showdown.py FOLDER reads FOLDER/task.json (contexts, labels, orders and coins by seed) and writes FOLDER/results.json.
Needs `vowpalwabbit` from PyPI. Costs lie in [-1, 0]: the reward, scaled to [0, 1], with its sign turned.
"""

import json
import random
import sys
import time

import vowpalwabbit

EXPLORATION = [
    "--squarecb",
    "--squarecb --gamma_scale 100",
    "--squarecb --gamma_scale 1000",
    "--epsilon 0.05",
    "--epsilon 0.01",
    "--cover 4",
    "--bag 4",
    "--regcb --mellowness 0.001",
]
RATES = ["", "-l 0.1", "-l 2"]
INTERACTIONS = ["", "-q ::"]
GRID = [f"{e} {q} {l}".strip() for e in EXPLORATION for q in INTERACTIONS for l in RATES]
DEFAULTS = "--squarecb"


def escaped(text):
    return str(text).replace(" ", "_").replace(":", "_").replace("|", "_")


def features_of(context):
    parts = []
    for name, value in context.items():
        name = escaped(name)
        if isinstance(value, str):
            parts.append(f"{name}={escaped(value)}")
        elif value != 0:
            parts.append(f"{name}:{value}")
    return "| " + " ".join(parts)


def play(task, lines, seed, options):
    arms = 2 if task["rewards"] == "mushrooms" else len(task["classes"])
    vw = vowpalwabbit.Workspace(
        f"--cb_explore {arms} {options} --cb_min_cost -1 --cb_max_cost 0 --quiet --random_seed {seed + 1}",
        enable_logging=False,
    )
    draw = random.Random(seed).random
    order = task["seeds"][seed]["order"]
    coins = task["seeds"][seed].get("coins")
    labels = task["labels"]
    regret = uniform = 0.0
    for i, row in enumerate(order):
        line = lines[row]
        pmf = vw.predict(line)
        u = draw() * sum(pmf)
        arm = 0
        for arm, p in enumerate(pmf):
            u -= p
            if u < 0:
                break
        if coins is None:
            right = labels[row] == arm
            cost = -1.0 if right else 0.0
            regret += 0.0 if right else 1.0
            uniform += 1 - 1 / arms
        else:
            edible = labels[row] == task["edible"]
            reward = 0 if arm == 0 else 5 if edible or coins[i] else -35
            cost = -(reward + 35) / 40
            regret += (0 if arm else 5) if edible else (15 if arm else 0)
            uniform += 2.5 if edible else 7.5
        vw.learn(f"{arm + 1}:{cost}:{max(pmf[arm], 1e-6)} {line}")
    vw.finish()
    return 100 * regret / uniform


def main(folder):
    with open(f"{folder}/task.json") as file:
        task = json.load(file)
    lines = [features_of(context) for context in task["contexts"]]
    seeds = range(len(task["seeds"]))
    tried = {}
    for options in GRID:
        began = time.time()
        try:
            losses = [play(task, lines, seed, options) for seed in range(min(task["gridSeeds"], len(seeds)))]
        except RuntimeError as error:
            print(f"  vw {options}: {error}", flush=True)
            continue
        tried[options] = sum(losses) / len(losses)
        print(f"  vw {options}: {tried[options]:.2f} ({time.time() - began:.0f} s)", flush=True)
    best = min(tried, key=tried.get)
    results = [
        {"kind": kind, "options": options, "bySeed": [play(task, lines, seed, options) for seed in seeds]}
        for kind, options in (("defaults", DEFAULTS), ("tuned", best))
    ]
    with open(f"{folder}/results.json", "w") as file:
        json.dump(results, file)


main(sys.argv[1])
