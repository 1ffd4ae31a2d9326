"""A running Attune on the simulated pilot (test/python/main.ts starts it), and its exports, each made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "notebooks"))


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """`attune export TABLE FILE ARGS…`, by the command that an operator types; the same call gives the same file."""
    import attune

    folder = tmp_path_factory.mktemp("exports")
    made: dict[tuple[str, ...], Path] = {}

    def export(table: str, file: str, *args: str) -> Path:
        key = (table, file, *args)
        if key not in made:
            path = folder / str(len(made)) / file
            path.parent.mkdir(exist_ok=True)
            attune.attune("export", table, str(path), *args)
            made[key] = path
        return made[key]

    return export
