"""``envs``: the list and the description of each environment, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from envreward.registry import make_task, omitted_tasks, task_specs

Cli = Callable[..., Any]


def test_list_names_every_environment(cli: Cli) -> None:
    """The list has each installed environment with its instruction and whether an expert reward is published."""
    said = cli("envs")
    assert said.code == 0 and not said.err
    for spec in task_specs().values():
        assert spec.id.removeprefix("EnvReward/").removesuffix("-v0") in said.out
    rows = {row["id"]: row for row in json.loads(cli("envs", "--json").out) if row["id"] is not None}
    assert rows.keys() == task_specs().keys()
    assert rows["EnvReward/Hopper-v0"]["expert"] and not rows["EnvReward/AntSpin-v0"]["expert"]


def test_official_tasks_that_are_left_out_are_listed_with_their_reasons(cli: Cli) -> None:
    """A family's list ends with the official tasks that it does not offer; the whole list says how many there are."""
    omitted = omitted_tasks()
    assert omitted
    short = cli("envs").out
    for family, tasks in omitted.items():
        assert f"{len(tasks)} more are not offered: see --family {family}" in " ".join(short.split())
        said = " ".join(cli("envs", "--family", family).out.split())
        rows = json.loads(cli("envs", "--family", family, "--json").out)
        assert {row["official"]: row["omitted"] for row in rows if row["id"] is None} == tasks
        for name, reason in tasks.items():
            assert f"{name}: {reason}" in said and reason


@pytest.mark.parametrize("env_id", task_specs())
def test_description_is_whole(cli: Cli, env_id: str) -> None:
    """A description has the instruction, success and fitness, both baselines, both spaces, and every public field."""
    said = cli("envs", env_id)
    assert said.code == 0 and not said.err
    task, about = make_task(env_id), json.loads(cli("envs", env_id, "--json").out)
    assert about["instruction"] == task.spec.instruction and about["success"] and about["fitness"]
    assert (about["expert"] is None) == (task.expert is None)
    assert ("none published" in said.out) == (task.expert is None)
    assert about["sparse"]["doc"] and "Box(" in about["observation_space"]
    for name, field in task.fields.items():
        assert (name in about["fields"]) != field.private
        if not field.private:
            assert name in said.out and about["fields"][name]["shape"] == [*field.shape]


def test_private_fields_are_not_shown(cli: Cli) -> None:
    """What a reward cannot read is not listed as if it could."""
    fields = json.loads(cli("envs", "Hopper", "--json").out)["fields"]
    assert not {"success", "failure", "fitness"} & fields.keys()


def test_unknown_environment(cli: Cli) -> None:
    """A misspelt name gives one line with the nearest names, and a code of its own."""
    said = cli("envs", "HoperFrontFlip")
    assert said.code == 2 and not said.out
    assert "did you mean 'HopperFrontFlip'" in said.err and said.err.count("\n") == 1
