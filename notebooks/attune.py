"""The way from a notebook into Attune: its warehouse (clickhouse-connect), its API, and its command with JSON for an answer.

The system is the one that `npm run notebooks` started; ATTUNE_DATA_DIR, ATTUNE_PORT and ATTUNE_WAREHOUSE_PORT say which another one is.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.datatypes.format import set_read_format
from clickhouse_connect.driver.client import Client

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("ATTUNE_DATA_DIR", ROOT / "notebooks" / "data"))
_ENV = {
    "ATTUNE_DATA_DIR": str(DATA_DIR),
    "ATTUNE_CATALOG": str(DATA_DIR / "catalog") if (DATA_DIR / "catalog").exists() else str(ROOT / "catalog" / "telco"),
    "ATTUNE_PORT": "18080",
    "ATTUNE_WAREHOUSE_PORT": "18123",
    **{name: value for name, value in os.environ.items() if name.startswith("ATTUNE_")},
}
CATALOG_DIR = Path(_ENV["ATTUNE_CATALOG"])
_START = "`npm run notebooks` starts it"


def warehouse() -> Client:
    """A client of the warehouse as its reader: SELECT only. Ids and keys come as text."""
    password = json.loads((DATA_DIR / "warehouse" / "users.json").read_text())["reader"]
    port = int(_ENV["ATTUNE_WAREHOUSE_PORT"])
    try:
        client = clickhouse_connect.get_client(host="127.0.0.1", port=port, username="reader", password=password, database="attune")
    except Exception as error:
        raise RuntimeError(f"the warehouse does not answer at port {port} ({error}); {_START}") from error
    set_read_format("FixedString", "string")
    set_read_format("UUID", "string")
    return client


def attune(*args: str) -> str:
    """Runs `attune ARGS`, and gives what it printed; raises with its own words when it fails."""
    done = _run(*args)
    if done.returncode != 0:
        raise RuntimeError(f"attune {' '.join(args)} ended with {done.returncode}:\n{done.stderr}{done.stdout}".rstrip())
    return done.stdout


def run_json(*args: str) -> Any:
    """As `attune`, with --json: its last line, parsed, also where the answer is a no and the exit code says so."""
    done = _run(*args, "--json")
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        raise RuntimeError(f"attune {' '.join(args)} ended with {done.returncode}:\n{done.stderr}{done.stdout}".rstrip()) from None


def _run(*args: str) -> subprocess.CompletedProcess[str]:
    node = ROOT / "node_modules" / ".bin" / "node"
    command = [str(node) if node.exists() else "node", str(ROOT / "cli" / "attune.mjs"), *args]
    return subprocess.run(command, env={**os.environ, **_ENV}, capture_output=True, text=True, check=False)


def export(table: str, file: str | Path, *args: str) -> Path:
    """`attune export TABLE FILE`: Parquet, CSV or Vowpal Wabbit's dsjson, by the name of the file, in the data directory's exports."""
    path = DATA_DIR / "exports" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    attune("export", table, str(path), *args)
    return path


def api(path: str, body: Any = None) -> Any:
    """GET, or POST where there is a body, of the running API."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{_ENV['ATTUNE_PORT']}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{path} answered {error.code}: {error.read().decode()}") from error
    except urllib.error.URLError as error:
        raise RuntimeError(f"the API does not answer ({error.reason}); {_START}") from error
