"""scikit-learn's MLP on the rows of bench/training.ts: after each epoch, the seconds of fitting so far (by the clock, and of the processor) and the log-loss on the test rows, as JSON.

usage: sklearn_mlp.py DIR EPOCHS BATCH SEED    (needs scikit-learn, from PyPI)
DIR holds meta.json {rows, dims, train} and x.f32, y.f32, row after row.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

folder, epochs, batch, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
meta = json.loads((folder / "meta.json").read_text())
x = np.fromfile(folder / "x.f32", dtype=np.float32).reshape(meta["rows"], meta["dims"])
y = np.fromfile(folder / "y.f32", dtype=np.float32).astype(np.int64)
n = meta["train"]
model = MLPClassifier((128, 64), solver="adam", alpha=0.0, batch_size=batch, learning_rate_init=1e-3, random_state=seed)
random = np.random.default_rng(seed)
seconds, cpu, curve = 0.0, 0.0, []
for _ in range(epochs):
    order = random.permutation(n)
    shuffled, targets = x[:n][order], y[:n][order]
    began, used = time.perf_counter(), time.process_time()
    model.partial_fit(shuffled, targets, classes=[0, 1])
    seconds += time.perf_counter() - began
    cpu += time.process_time() - used
    curve.append({"seconds": seconds, "cpuSeconds": cpu, "loss": float(log_loss(y[n:], model.predict_proba(x[n:])[:, 1]))})
print(json.dumps(curve))
