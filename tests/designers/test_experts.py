"""Expert examples: each is sound on its own task, pays success most there, and is never shown for that task."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward import registry
from envreward.contract import Playback
from envreward.designers.experts import Expert, experts, nearest_experts
from envreward.designers.retrieval import words
from envreward.fields import PREV, public_fields
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Brief
from envreward.task import Behaviour
from envreward.vector_env import TaskVectorEnv, make_vector_env

EXPERTS = experts()


def brief_of(env_id: str, instruction: str | None = None) -> Brief:
    task = registry.make_task(env_id)
    return Brief(
        env_id=task.spec.id,
        instruction=task.spec.instruction if instruction is None else instruction,
        fields=public_fields(task.fields),
        horizon=task.spec.horizon,
        fitness_doc=task.fitness_doc,
    )


def earned(expert: Expert, behaviour: Behaviour, steps: int) -> float:
    """Return what the example pays one episode of a behaviour, of ``steps`` steps at most."""
    task = registry.make_task(expert.env_id)
    program = RewardProgram.from_source(expert.source, task.fields)
    env: TaskVectorEnv
    if behaviour.poses is not None:
        env = Playback(task, 1, reward=program, autoreset=False)
        env.poses = behaviour.poses(task)
        steps = min(steps, len(env.poses))
    else:
        env = make_vector_env(expert.env_id, 1, reward=program, autoreset=False)
    env.reset(seed=0)
    total, idle = 0.0, torch.zeros(1, *env.task.action_space.shape)
    for step in range(steps):
        action = idle if behaviour.act is None else behaviour.act(env.task, step)
        _, reward, terminated, truncated, _ = env.step(action)
        total += float(reward[0])
        if bool(terminated[0] | truncated[0]):
            break
    env.close()
    return total


def test_examples_span_both_families_of_robots() -> None:
    """There are several examples of locomotion and of manipulation, one per task."""
    families = [registry.find_task_spec(e.env_id).family for e in EXPERTS]
    assert families.count("locomotion") >= 3 and families.count("manipulation") >= 3
    assert len({e.env_id for e in EXPERTS}) == len(EXPERTS)


@pytest.mark.parametrize("expert", EXPERTS, ids=lambda e: e.env_id)
def test_an_example_says_of_its_task_what_the_task_says(expert: Expert) -> None:
    """Instruction and fields in an example's header are the task's own; its program passes the rules and reads them."""
    task = registry.make_task(expert.env_id)
    assert expert.env_id == task.spec.id and expert.instruction == task.spec.instruction
    program = RewardProgram.from_source(expert.source, task.fields)
    read = dict.fromkeys(name.removeprefix(PREV) for name in program.parameters)
    assert expert.fields == tuple(task.fields[name].signature(name) for name in read)


@pytest.mark.parametrize("expert", EXPERTS, ids=lambda e: e.env_id)
def test_an_example_pays_success_most(expert: Expert) -> None:
    """An episode of every reference behaviour that succeeds earns more than that of any that fails."""
    behaviours = registry.make_task(expert.env_id).behaviours
    returns = {b.name: earned(expert, b, registry.find_task_spec(expert.env_id).horizon) for b in behaviours}
    best_failure = max(returns[b.name] for b in behaviours if not b.succeeds)
    assert all(returns[b.name] > best_failure for b in behaviours if b.succeeds), returns


@pytest.mark.parametrize("env_id", [e.env_id for e in EXPERTS])
def test_a_task_is_never_shown_its_own_example(env_id: str) -> None:
    """However many are asked for, a task's own example is left out, by its environment and by its instruction."""
    assert env_id not in [e.env_id for e in nearest_experts(brief_of(env_id), 99)]
    assert len(nearest_experts(brief_of(env_id), 99)) == len(EXPERTS) - 1
    own = next(e for e in EXPERTS if e.env_id == env_id)
    disguised = brief_of("Hopper", own.instruction.upper().replace(".", " !"))
    assert own not in nearest_experts(disguised, 99)


def test_the_nearest_example_has_most_in_common() -> None:
    """The closest instruction comes first: opening a door is closest to opening a drawer."""
    found = nearest_experts(brief_of("MetaWorld-door-open"), 2)
    assert len(found) == 2 and found[0].env_id == "EnvReward/MetaWorld-drawer-open-v0"
    assert nearest_experts(brief_of("Hopper"), 0) == []


@given(st.sampled_from(EXPERTS), st.integers(0, 20))
def test_examples_shown_are_distinct(expert: Expert, k: int) -> None:
    """Asked for k, as many different examples come, or all that may be shown."""
    brief = Brief(env_id="T", instruction=expert.instruction + " Quickly.", fields={}, horizon=1, fitness_doc="")
    found = nearest_experts(brief, k)
    assert len({e.env_id for e in found}) == len(found) == min(k, len(EXPERTS))
    assert k == 0 or set(words(found[0].instruction)) & set(words(brief.instruction))
