"""Imports the Open Bandit Pipeline on a Python of today.

obp 0.5.7 pins versions of 2022 and loads torch for learners that nothing here uses:

    python -m venv venv && venv/bin/pip install numpy scipy scikit-learn pandas pyyaml tqdm matplotlib seaborn
    venv/bin/pip install --no-deps --ignore-requires-python obp==0.5.7

Where torch is missing, names stand in for it so that the module loads; a learner that used them would fail at once.
"""
import importlib.util
import sys
import types


class _Named(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Named(name, (), {})


class _Missing(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Named(name, (), {})


if importlib.util.find_spec("torch") is None:
    for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data"):
        sys.modules[name] = _Missing(name)

import obp  # noqa: E402
import obp.dataset  # noqa: E402
import obp.ope  # noqa: E402
import obp.policy  # noqa: E402

if obp.__version__ != "0.5.7":
    raise SystemExit(f"obp {obp.__version__} is installed; the comparison is with 0.5.7")
