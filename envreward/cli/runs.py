"""``envreward runs``: list searches."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from envreward.errors import EnvRewardError
from envreward.studies import best
from envreward.studies.folder import find_runs, runs_root
from envreward.studies.store import StudyStore

from ._format import duration, money, number, percent
from ._options import MaybeFolder


@dataclass(frozen=True, kw_only=True)
class Command:
    """List the searches in a folder: task, designer, state, best candidate, cost."""

    dir: MaybeFolder = None
    """Folder that holds the runs (default: $ENVREWARD_RUNS, else runs)."""
    json: bool = False
    """Print JSON, one list of objects."""

    def run(self) -> int:
        """Print the list."""
        root = self.dir or runs_root()
        rows = [_row(folder) for folder in find_runs(root)]
        if self.json:
            sys.stdout.write(json.dumps(rows, indent=1) + "\n")
            return 0
        if not rows:
            sys.stdout.write(f"no runs in {root}; begin one with `envreward design --env Hopper`\n")
            return 0
        table = Table(box=None, header_style="dim")
        for name in ("run", "task", "designer", "state", "best", "fitness", "success", "time", "cost"):
            table.add_column(name, justify="right" if name in ("fitness", "success", "time", "cost") else "left")
        for row in rows:
            table.add_row(*map(Text, _texts(row)))
        console = Console()
        console.print(table)
        for row in rows:
            if "reason" in row:
                console.print(Text(f"{row['run']}: {row['reason']}"), soft_wrap=True)
        return 0


def _row(folder: Path) -> dict[str, Any]:
    try:
        with StudyStore.open(folder) as store:
            winner, spent, config = best(store.candidates()), store.spent(), store.config
            return {
                "run": folder.name,
                "env_id": config.env_id,
                "designer": config.designer,
                "state": store.state(),
                "best": winner.id if winner else None,
                "fitness": winner.fitness if winner else None,
                "success": winner.success if winner else None,
                "wall_s": spent.wall_s,
                "cost_usd": spent.usd,
                "started": store.started(),
            }
    except (EnvRewardError, OSError) as error:  # one damaged run does not hide the others
        return {"run": folder.name, "state": "unreadable", "reason": str(error)}


def _texts(row: dict[str, Any]) -> list[str]:
    if "env_id" not in row:
        return [row["run"], "", "", row["state"]]
    return [
        row["run"],
        row["env_id"].removeprefix("EnvReward/"),
        row["designer"],
        row["state"],
        row["best"] or "-",
        number(row["fitness"]),
        percent(row["success"]),
        duration(row["wall_s"]),
        money(row["cost_usd"]),
    ]
