"""What every task promises, as checks that a test runs on each of them, yours included.

    import pytest
    from envreward import contract

    @pytest.mark.parametrize("check", contract.CHECKS, ids=lambda c: c.__name__)
    def test_my_task(check):
        check("my_env.py:cartpole")

A check returns nothing, or raises `AssertionError` that says what was promised and what was found.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import torch
from torch import Tensor

from envreward.episodes import Transition
from envreward.errors import RewardError
from envreward.fields import MEMORY, PREV, Field, check_state, public_fields, readable_fields, resolve
from envreward.registry import make_task
from envreward.sim_vector_env import SimVectorEnv
from envreward.task import Behaviour, SimTask
from envreward.task_vector_env import TaskVectorEnv
from envreward.vector_env import make_vector_env
from envreward.world_contract import check_hashes, check_oracle, check_tools

_PRIVATE = {"success": "bool", "failure": "bool", "fitness": "float32"}
_STEPS = 12
_SHORT = 5  # steps per episode where a check wants episodes to end
_SAME_M = 1e-4  # difference of two lengths that are the same but for rounding


def check_declaration(env_id: str) -> None:
    """Instruction, fields, units and docs are there, and rewards name only fields that exist."""
    task = make_task(env_id)
    assert task.spec.instruction.strip(), "the instruction is empty"
    assert task.spec.horizon >= 1, f"horizon {task.spec.horizon}"
    for text in ("fitness_doc", "success_doc"):
        assert getattr(task, text), f"{text} is empty: say in words how it is measured"
    for name, dtype in _PRIVATE.items():
        assert name in task.fields, f"the private field {name} is missing"
        assert task.fields[name].private, f"{name} is not private: a reward could read it"
        assert task.fields[name].dtype == dtype, f"{name} is {task.fields[name].dtype}, not {dtype}"
    assert "action" in task.fields, "the field action is missing"
    assert len(public_fields(task.fields)) > 1, "a reward can read nothing but the action"
    for name, field in task.fields.items():
        _check_field(name, field)
        for place in (*(field.between or ()), *filter(None, (field.start_of,))):
            known = place in task.fields and task.fields[place].role == "position"
            assert known, f"field {name}: {place} is no position"
    for reward in filter(None, (task.expert, task.sparse)):
        assert reward.doc, "a baseline's doc is empty: say where the formula comes from"
        for name in reward.parameters:
            resolve(name, task.fields)


def _check_field(name: str, field: Field) -> None:
    assert name.isidentifier() and not name.startswith(PREV), f"field {name!r}: not a name a program can use"
    assert name != MEMORY, f"field {name!r}: the name is reserved for what a reward program remembers; rename it"
    assert field.doc.strip().endswith("."), f"field {name}: its doc is not a sentence"
    assert field.unit, f"field {name}: no unit; '1' is a number without one"
    assert field.read is not None, f"field {name}: cannot be read"
    assert field.role == "position" or not field.part, f"field {name}: only a position is a point of a thing"
    starts = field.role == "position" and field.fixed
    assert starts or not field.start_of, f"field {name}: only a fixed position is where something began"
    assert field.role == "offset" or not field.between, f"field {name}: only an offset leads from one place to another"
    if field.names:
        assert field.shape[-1:] == (len(field.names),), f"field {name}: {len(field.names)} names for {field.shape}"


def check_fields(env_id: str) -> None:
    """Every field has its declared shape and dtype and is finite, in an episode's first and every later step.

    An offset is as long as the two places that it is said to lead from and to are apart.
    """
    env = make_vector_env(env_id, 3, reward="none", max_episode_steps=_SHORT)
    names = [*env.task.fields, *(PREV + name for name in env.task.fields if name != "action")]
    env.request(names)
    env.reset(seed=0)
    for transition in _random_steps(env, _STEPS):
        check_state(transition.state, env.task.fields, 3)
        for name, value in transition.state.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                assert torch.isfinite(value).all(), f"field {name} is not finite"
        for name, field in env.task.fields.items():
            if field.between:
                _check_offset(name, *(transition.state[n] for n in (name, *field.between)))
    env.close()


def _check_offset(name: str, offset: Tensor, start: Tensor, end: Tensor) -> None:
    error = (torch.linalg.vector_norm(offset, dim=-1) - torch.linalg.vector_norm(end - start, dim=-1)).abs().max()
    assert float(error) < _SAME_M, f"{name} is {float(error):.3g} longer or shorter than its two places are apart"


def check_previous(env_id: str) -> None:
    """A ``prev_`` field is the field's value one step earlier; in an episode's first step, that after the reset.

    Fields that are said to be fixed do not change within an episode of random actions; for those of the reference
    behaviours see `check_behaviours`.
    """
    env = make_vector_env(env_id, 3, reward="none", max_episode_steps=_SHORT)
    names = [name for name in env.task.fields if name != "action"]
    env.request([*names, *(PREV + name for name in names)], dtype=None)
    env.reset(seed=0)
    expected = {name: _copy(env._read(name)) for name in names}
    for transition in _random_steps(env, _STEPS):
        for name, value in expected.items():
            assert _equal(transition.state[PREV + name], value), f"{PREV}{name} is not the value before the action"
            if env.task.fields[name].fixed:
                assert _unchanged(transition.state[name], value), f"{name} is said to be fixed and has changed"
        ended = transition.terminated | transition.truncated
        expected = {name: _copy(env._read(name)) for name in names}
        for name in names:  # where no episode ended, what is read now is what the step returned
            returned, now = _rows(transition.state[name], ~ended), _rows(expected[name], ~ended)
            assert _equal(returned, now), f"{name} changed without a step"
    env.close()


def check_privacy(env_id: str) -> None:
    """No reward program can name what the task is scored by."""
    from envreward.rewards.program import RewardProgram

    fields = make_task(env_id).fields
    readable = readable_fields(fields)
    for name in (n for n, field in fields.items() if field.private):
        for spelling in (name, PREV + name):
            assert spelling not in readable, f"{spelling} is private but readable"
            source = f"def compute_reward({spelling}):\n    return {spelling} * 1.0, {{}}\n"
            try:
                RewardProgram.from_source(source, fields)
            except RewardError:
                continue
            raise AssertionError(f"a program that reads {spelling} was accepted")


def check_rewards(env_id: str) -> None:
    """Expert and sparse reward and all their components are finite numbers, one per world."""
    task = make_task(env_id)
    for choice in ("expert", "sparse") if task.expert else ("sparse",):
        env = make_vector_env(env_id, 3, reward=choice, max_episode_steps=_SHORT)
        env.reset(seed=0)
        for action in _random_actions(env, _STEPS):
            _, reward, _, _, info = env.step(action)
            for name, value in {choice: reward, **info["reward_components"]}.items():
                assert tuple(value.shape) == (3,), f"{choice} reward: {name} has shape {list(value.shape)}"
                assert value.is_floating_point() and torch.isfinite(value).all(), f"{choice} reward: {name} = {value}"
        env.close()


def check_determinism(env_id: str) -> None:
    """The same seed and actions give the same numbers, bit for bit; another seed gives others."""
    first, second, other = (_record(env_id, seeds) for seeds in ([0, 1, 2], [0, 1, 2], [7, 8, 9]))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert _equal(value, second[name]), f"{name} differs between two runs with the same seeds"
    assert not _equal(first["obs"], other["obs"]), "another seed gives the same episode"


def check_independence(env_id: str) -> None:
    """A world does not depend on its neighbours, nor on when they are reset."""
    crowd, alone = _record(env_id, [5, 6, 7]), _record(env_id, [6], worlds=slice(1, 2))
    for name, value in alone.items():
        assert _equal(crowd[name][:, 1:2], value), f"{name} of a world depends on the worlds beside it"


def check_autoreset(env_id: str) -> None:
    """Worlds that end show their new episode's first observation, and their last one in ``final_obs``."""
    env = make_vector_env(env_id, 3, reward="none", max_episode_steps=_SHORT)
    assert env.metadata["autoreset_mode"] == gym.vector.AutoresetMode.SAME_STEP
    env.reset(seed=0)
    ends = 0
    for transition in _random_steps(env, 3 * _SHORT):
        ended = transition.terminated | transition.truncated
        assert not (transition.terminated & transition.truncated).any(), "terminated and truncated at once"
        assert not env.elapsed[ended].any(), "no new episode after the end of one"
        assert _equal(transition.obs[~ended], transition.final_obs[~ended]), "final_obs of a running world differs"
        assert _equal(transition.obs, env._observe()), "obs is not the present observation"
        for old, new in zip(transition.final_obs[ended], transition.obs[ended], strict=True):
            assert not _equal(old, new), "the observation after a reset is that from before it"
        ends += int(ended.sum())
    assert ends >= 9, f"{ends} episodes of {_SHORT} steps ended in {3 * _SHORT} steps of 3 worlds"
    env.close()


def check_saving(env_id: str) -> None:
    """Worlds that are saved and loaded go on as if nothing had happened, bit for bit."""
    env = make_vector_env(env_id, 3, max_episode_steps=_SHORT)
    if not env.can_save:
        return
    env.reset(seed=0)
    actions = [*_random_actions(env, _STEPS)]
    for action in actions[:7]:
        env.step(action)
    saved = env.save()
    expected = [env.advance(action) for action in actions[7:]]
    other = make_vector_env(env_id, 3, max_episode_steps=_SHORT)
    other.reset(seed=99)
    other.load(saved)
    for step, action in zip(expected, actions[7:], strict=True):
        again = other.advance(action)
        for name in ("obs", "terminated", "truncated", "success", "fitness"):
            same = _equal(getattr(again, name), getattr(step, name))
            assert same, f"{name} differs after loading: does the task's memory name all it remembers?"
    env.close()
    other.close()


def check_behaviours(env_id: str) -> None:
    """The reference behaviours that should succeed do, and the others, doing nothing among them, do not.

    Nothing that is said to be fixed changes while they do: see `play`.
    """
    behaviours = make_task(env_id).behaviours
    assert any(b.succeeds for b in behaviours), "no reference behaviour succeeds"
    assert any(not b.succeeds for b in behaviours), "no reference behaviour fails"
    for behaviour in behaviours:
        success, fitness = play(env_id, behaviour)
        verb = "succeeds" if success else "fails"
        assert success == behaviour.succeeds, f"{behaviour.name!r} {verb} (fitness up to {fitness:.3g}) but should not"


def check_gymnasium(env_id: str) -> None:
    """Gymnasium's own environment checker passes."""
    from gymnasium.utils.env_checker import check_env

    from envreward.gym_env import make_env

    env = gym.make(env_id) if env_id in gym.registry else make_env(env_id)
    with warnings.catch_warnings():  # advice that published environments do not follow either
        advices = ("observation space m(in|ax)imum value is -?infinity", "symmetric and normalized space")
        for advice in (*advices, "maximum and minimum values are equal"):
            warnings.filterwarnings("ignore", message=f".*{advice}")
        check_env(env.unwrapped, skip_render_check=True)
    env.close()


CHECKS: tuple[Callable[[str], None], ...] = (
    check_declaration,
    check_fields,
    check_previous,
    check_privacy,
    check_rewards,
    check_determinism,
    check_independence,
    check_autoreset,
    check_saving,
    check_behaviours,
    check_gymnasium,
    check_oracle,
    check_hashes,
    check_tools,
)
"""All checks; each takes a task's id."""


def check_task(env_id: str) -> None:
    """Run all checks on a task.

    Raises:
        AssertionError: A promise is broken; the message says which and what was found.
    """
    for check in CHECKS:
        check(env_id)


def play(env_id: str, behaviour: Behaviour, seed: int = 0) -> tuple[bool, float]:
    """Run one episode of a behaviour; return whether the success test held at some step, and the best fitness.

    Raises:
        AssertionError: A field that is said to be fixed changed. Random actions seldom move anything but the robot; a
            behaviour that succeeds moves what the task is about.
    """
    task = make_task(env_id)
    env: TaskVectorEnv
    if behaviour.poses is not None:
        assert isinstance(task, SimTask), f"{env_id}: poses can be played back on a simulator only"
        env = Playback(task, 1, reward="none", autoreset=False)
        env.poses = behaviour.poses(task)
        steps = len(env.poses)
    else:
        env = make_vector_env(env_id, 1, reward="none", autoreset=False)
        steps = env.horizon
    env.reset(seed=seed)
    fixed = {name: _copy(env._read(name)) for name, field in task.fields.items() if field.fixed}
    idle = torch.zeros((1, *(env.single_action_space.shape or ())), dtype=_action_dtype(env))
    success, best = False, -float("inf")
    for step in range(steps):
        action = idle if behaviour.act is None else behaviour.act(_bound(env), step)
        transition = env.advance(action)
        success |= bool(transition.success[0])
        best = max(best, float(transition.fitness[0]))
        for name, value in fixed.items():
            same = _unchanged(env._read(name), value)
            assert same, f"{name} is said to be fixed and has changed in step {step} of {behaviour.name!r}"
        if bool(transition.terminated[0] | transition.truncated[0]):
            break
    env.close()
    return success, best


class Playback(SimVectorEnv):
    """Worlds that are put into given poses instead of being stepped; all else of the task runs as always."""

    poses: Tensor
    """``qpos`` after each control step, float64 ``[T, nq]``."""

    def _simulate(self, action: Tensor) -> Tensor:
        sim, model = self.sim, self.sim.model
        self.task.apply(action)
        pose = self.poses[int(self.elapsed[0])]
        dt_s = model.opt.timestep * self.task.frame_skip
        velocity = np.zeros(model.nv)
        mujoco.mj_differentiatePos(model, velocity, dt_s, sim.qpos[0].numpy(), pose.numpy())
        sim.qpos[:] = pose
        sim.qvel[:] = torch.from_numpy(velocity)
        sim.time.add_(dt_s)
        sim.forward(torch.arange(sim.num_worlds))
        self.task.update()
        return torch.zeros(sim.num_worlds, dtype=torch.bool)


def _bound(env: TaskVectorEnv) -> Any:
    """Return what a behaviour's policy reads: the task bound to its simulator, or a wrapped environment's worlds."""
    return getattr(env, "worlds", env.task)


def _action_dtype(env: TaskVectorEnv) -> torch.dtype:
    return torch.float32 if isinstance(env.single_action_space, gym.spaces.Box) else torch.int64


def _random_actions(env: TaskVectorEnv, steps: int, seed: int = 0) -> list[Tensor]:
    env.action_space.seed(seed)
    return [torch.as_tensor(env.action_space.sample()) for _ in range(steps)]


def _random_steps(env: TaskVectorEnv, steps: int) -> Iterator[Transition]:
    for action in _random_actions(env, steps):
        yield env.advance(action)


def _record(env_id: str, seeds: list[int], worlds: slice = slice(None)) -> dict[str, Tensor]:
    """Run random actions for some short episodes; return what came out, ``[T, N, ...]`` each."""
    env = make_vector_env(env_id, len(seeds), max_episode_steps=_SHORT)
    env.reset(seed=seeds)
    crowd = make_vector_env(env_id, 3, reward="none") if len(seeds) != 3 else env
    rows: dict[str, list[Tensor]] = {}
    for action in _random_actions(crowd, _STEPS):
        obs, reward, terminated, truncated, info = env.step(action[worlds])
        step = {"obs": obs, "reward": reward, "terminated": terminated, "truncated": truncated}
        for name, value in {**step, "success": info["success"], "fitness": info["fitness"]}.items():
            rows.setdefault(name, []).append(_copy(value))
    env.close()
    return {name: torch.stack(values) for name, values in rows.items()}


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else list(value)


def _rows(value: Any, mask: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[mask]
    return [entry for entry, keep in zip(value, mask.tolist(), strict=True) if keep]


def _unchanged(value: Any, before: Any) -> bool:
    """Return whether a value is what it was but for rounding, as of an orientation that the simulator normalises."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return torch.allclose(value, before, rtol=1e-6, atol=1e-6)
    return _equal(value, before)


def _equal(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) else bool(a == b)
