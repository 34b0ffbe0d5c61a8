"""``envreward envs``: list the environments, or describe one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from envreward.errors import MissingExtraError, UnknownNameError
from envreward.registry import NAMESPACE, find_task_spec, make_task, omitted_tasks, task_specs

from ._options import MaybeText

if TYPE_CHECKING:
    from envreward.fields import Field
    from envreward.task import Task
    from envreward.task_spec import TaskSpec


@dataclass(frozen=True)
class Command:
    """List the environments, or describe one: what a reward may read, when it succeeds, its baselines.

    Any Gymnasium environment of your own can be described, and designed for, as FILE.py:NAME: see `envreward.wrap`.
    """

    id: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="ID", help_behavior_hint="")] = None
    """The environment to describe, e.g. HopperBackFlip or my_env.py:cartpole; none: list all."""
    family: MaybeText = None
    """List only this family: locomotion, web, swe, ..."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Print the list or the description."""
        if self.id is None:
            rows = [_row(spec) for spec in self._listed()]
            omitted = {f: tasks for f, tasks in omitted_tasks().items() if self.family in (None, f)}
            if self.json:
                return _write_json(rows + [_omitted_row(f, *task) for f in omitted for task in omitted[f].items()])
            _print_list(Console(), rows, omitted, reasons=self.family is not None)
            return 0
        find_task_spec(self.id)  # a wrong name is said before anything is loaded
        description = describe(make_task(self.id))
        if self.json:
            return _write_json(description)
        _print(Console(), description)
        return 0

    def _listed(self) -> list[TaskSpec]:
        specs = list(task_specs().values())
        if self.family is None:
            return specs
        families = {spec.family for spec in specs}
        if self.family not in families:
            raise UnknownNameError("family", self.family, families)
        return [spec for spec in specs if spec.family == self.family]


def describe(task: Task) -> dict[str, Any]:
    """Return what there is to know of a task, as plain values."""
    from envreward.fields import public_fields

    return {
        "id": task.spec.id,
        "family": task.spec.family,
        "instruction": task.spec.instruction,
        "horizon": task.spec.horizon,
        "success": task.success_doc,
        "fitness": task.fitness_doc,
        "expert": None if task.expert is None else _baseline(task.expert),
        "sparse": _baseline(task.sparse),
        "rewards": {name: _baseline(reward) for name, reward in task.rewards.items()},
        "training": {trainer: dict(settings) for trainer, settings in task.spec.training.items()},
        "observation_space": _space(task.observation_space),
        "action_space": _space(task.action_space),
        "fields": {name: _field(field) for name, field in public_fields(task.fields).items()},
    }


def _space(space: Any) -> str:
    """Return a space in a line; bounds that differ from entry to entry are not spelled out."""
    import gymnasium as gym

    if isinstance(space, gym.spaces.Box) and len({*space.low.flat}) + len({*space.high.flat}) > 2:
        return f"Box({space.shape}, {space.dtype}), each entry with bounds of its own"
    return " ".join(str(space).split())


def _baseline(reward: Any) -> dict[str, Any]:
    return {"reads": list(reward.parameters), "doc": getattr(reward, "doc", "")}


def _field(field: Field) -> dict[str, Any]:
    return {
        "dtype": field.dtype,
        "shape": list(field.shape),
        "unit": field.unit,
        "frame": field.frame or None,
        "names": list(field.names),
        "doc": field.doc,
    }


def _row(spec: TaskSpec) -> dict[str, Any]:
    try:
        expert = make_task(spec.id).expert is not None
    except MissingExtraError:
        expert = None
    return {
        "id": spec.id,
        "family": spec.family,
        "instruction": spec.instruction,
        "horizon": spec.horizon,
        "expert": expert,
        "extra": spec.extra,
    }


def _omitted_row(family: str, name: str, reason: str) -> dict[str, Any]:
    return {"id": None, "family": family, "official": name, "omitted": reason}


def _write_json(value: Any) -> int:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")
    return 0


def _print_list(
    console: Console, rows: list[dict[str, Any]], omitted: Mapping[str, Mapping[str, str]], *, reasons: bool
) -> None:
    for family in dict.fromkeys(row["family"] for row in rows):
        console.print(_table(family, [row for row in rows if row["family"] == family]))
        left_out = omitted.get(family, {})
        if left_out and reasons:
            console.print(Text("\nNot offered:", style="dim"))
            for name, reason in left_out.items():
                console.print(Padding(Text(f"{name}: {reason}", style="dim"), (0, 0, 0, 1)))
        elif left_out:
            console.print(Text(f"{len(left_out)} more are not offered: see --family {family}", style="dim"))
        console.print()
    console.print(
        Text(
            "`envreward envs ID` describes one; to Gymnasium it is EnvReward/ID-v0. "
            "Your own: FILE.py:NAME (see envreward.wrap).",
            style="dim",
        )
    )


def _table(family: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, expand=True)
    table.add_column(family, no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("expert", no_wrap=True)
    table.add_column("instruction", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        expert = {True: "yes", False: "-", None: f"needs [{row['extra']}]"}[row["expert"]]
        table.add_row(*map(Text, (_short(row["id"]), str(row["horizon"]), expert, row["instruction"])))
    return table


def _short(env_id: str) -> str:
    return env_id.removeprefix(f"{NAMESPACE}/").removesuffix("-v0")


def _print(console: Console, about: dict[str, Any]) -> None:
    console.print(Text(about["id"], style="bold"), Text(about["instruction"]), "", sep="\n")
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    expert = about["expert"]
    for name, text in (
        ("success", about["success"]),
        ("fitness", about["fitness"]),
        ("horizon", f"{about['horizon']} steps"),
        ("observation", about["observation_space"]),
        ("action", about["action_space"]),
        ("expert", "none published" if expert is None else _reads(expert)),
        ("sparse", _reads(about["sparse"])),
        *((name, _reads(reward)) for name, reward in about["rewards"].items()),
        *((f"trained by {trainer}", _settings(settings)) for trainer, settings in about["training"].items()),
    ):
        facts.add_row(name, Text(text))
    console.print(facts)
    heading = "Fields that a reward may read, of N worlds; prev_NAME is a field's value before the action"
    console.print(Text(f"\n{heading}", style="dim"))
    fields = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("field", "type", "unit", "frame"):
        fields.add_column(column, no_wrap=True)
    fields.add_column("meaning")
    for name, field in about["fields"].items():
        meaning = field["doc"] + (f" Entries: {', '.join(field['names'])}." if field["names"] else "")
        cells = (name, _type(field), field["unit"] if field["unit"] != "1" else "", field["frame"] or "", meaning)
        fields.add_row(*map(Text, cells))
    console.print(Padding(fields, (0, 0, 0, 1)))


def _settings(settings: Mapping[str, Any]) -> str:
    return "with " + ", ".join(f"{name} {value}" for name, value in settings.items())


def _reads(baseline: dict[str, Any]) -> str:
    return f"{baseline['doc']} (reads {', '.join(baseline['reads'])})"


def _type(field: dict[str, Any]) -> str:
    if field["dtype"] == "str":
        return "text [N]"
    return f"{field['dtype']} [{', '.join(['N', *map(str, field['shape'])])}]"
