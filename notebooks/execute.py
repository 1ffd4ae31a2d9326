"""Executes the notebooks: `execute` keeps the outputs in place, `check` leaves the files alone and says whether all is well."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
SECONDS_A_CELL = 240


def has_image(cell) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def fault_of_committed(notebook) -> str | None:
    """Why the outputs that stand in the file are not those of one whole run."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        return "its outputs are not committed, or not of one run from top to bottom: npm run notebooks -- execute"
    if any(output.output_type == "error" for cell in cells for output in cell.outputs):
        return "an error is committed as an output"
    if not any(has_image(cell) for cell in cells):
        return "no plot is committed"
    return None


def execute(notebook) -> None:
    NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(HERE)}},
    ).execute()


def main(mode: str, names: list[str]) -> int:
    paths = [path for path in sorted(HERE.glob("*.ipynb")) if not names or any(path.name.startswith(name) for name in names)]
    passed = failed = 0
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        fault = fault_of_committed(notebook) if mode == "check" else None
        began = time.monotonic()
        if fault is None:
            try:
                execute(notebook)
            except (CellTimeoutError, DeadKernelError) as error:
                fault = str(error)
            except CellExecutionError as error:
                cell = next(cell.source for cell in notebook.cells if any(o.output_type == "error" for o in cell.get("outputs", [])))
                fault = f"{error.ename}: {error.evalue}\nin the cell\n{cell}"
        if fault is None and mode == "execute":
            # Of this machine, and of nobody's interest.
            notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}, "language_info": {"name": "python"}}
            nbformat.write(notebook, path)
        passed, failed = passed + (fault is None), failed + (fault is not None)
        print(f"{'ok' if fault is None else 'FAILED'} {path.name} after {time.monotonic() - began:.1f} s{'' if fault is None else f': {fault}'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
