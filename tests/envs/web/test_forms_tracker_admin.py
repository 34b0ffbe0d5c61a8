"""What form wizard, issue tracker and admin table have in common: oracles, other policies, facts."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from envreward import registry
from envreward.envs.web.catalog import TASKS
from envreward.envs.web.kit.task import WebTask
from envreward.envs.web.kit.tree import Tree
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ActionError

SPECS = {spec.id: spec for spec in TASKS}
IDS = ("EnvReward/WebForms-v0", "EnvReward/WebTracker-v0", "EnvReward/WebAdmin-v0")


def make_task(env_id: str) -> WebTask:
    spec = SPECS[env_id]
    task: WebTask = registry._load(spec.entry_point)(spec, **spec.kwargs)
    return task


def make_world(env_id: str) -> WebWorld[Any]:
    return WebWorld(make_task(env_id).app, Tree(), SPECS[env_id].horizon)


def try_act(world: WebWorld[Any], action: Any) -> None:
    with contextlib.suppress(ActionError):
        world.act(action)


def finish_by_oracle(world: WebWorld[Any], limit: int) -> int:
    """Let the oracle act until the episode ends; return the steps that it took."""
    for step in range(limit):
        if world.facts()["failure"]:
            return step
        action = world.oracle()
        assert action in world.candidates().actions, f"{action} is not offered on {world.view.page.path}"
        world.act(action)
    return limit


@pytest.mark.parametrize("env_id", IDS)
def test_oracle_succeeds(env_id: str) -> None:
    """The oracle succeeds from 100 seeds within the horizon, by candidates alone, with fitness and progress 1."""
    world, horizon = make_world(env_id), SPECS[env_id].horizon
    for seed in range(100):
        world.reset(seed)
        assert not world.facts()["failure"] and world.facts()["fitness"] == 0 and world.facts()["progress"] == 0
        assert finish_by_oracle(world, horizon) <= horizon
        facts = world.facts()
        assert facts["success"] and facts["failure"], f"seed {seed}: {facts}"
        assert facts["fitness"] == 1 and facts["progress"] == pytest.approx(1), f"seed {seed}: {facts}"


@pytest.mark.parametrize("env_id", IDS)
def test_other_policies_do_not_succeed(env_id: str) -> None:
    """Taking the first candidate never succeeds; random candidates hardly ever do, and are worth little."""
    world, choose = make_world(env_id), random.Random(0).choice
    policies: list[tuple[Callable[[Any], Any], int]] = [(lambda actions: actions[0], 0), (choose, 2)]
    for policy, most in policies:
        successes, fitness = 0, []
        for seed in range(100):
            world.reset(seed)
            for _ in range(SPECS[env_id].horizon):
                try_act(world, policy(world.candidates().actions))
                if world.facts()["failure"]:
                    break
            successes += bool(world.facts()["success"])
            fitness.append(world.facts()["fitness"])
        assert successes <= most and np.mean(fitness) < 0.15


@pytest.mark.parametrize("env_id", IDS)
def test_oracle_recovers(env_id: str) -> None:
    """Where random play has not ended the episode, the oracle still succeeds from wherever that has led."""
    world, rng, tried = make_world(env_id), random.Random(1), 0
    for seed in range(60):
        world.reset(seed)
        for _ in range(12):
            try_act(world, rng.choice(world.candidates().actions))
            if world.facts()["failure"]:
                break
        else:
            tried += 1
            finish_by_oracle(world, 60)
            assert world.facts()["success"], f"seed {seed}: stuck on {world.view.page.path}"
    assert tried >= 15


@pytest.mark.parametrize("env_id", IDS)
def test_milestones_stay(env_id: str) -> None:
    """Milestones are 0 or 1 and never go back; progress and fitness stay within [0, 1]; some milestones are reached."""
    task, world, rng = make_task(env_id), make_world(env_id), random.Random(2)
    reached = np.zeros(task.fields["milestones"].shape)
    for seed in range(30):
        world.reset(seed)
        before = np.array(world.facts()["milestones"])
        assert not before.any(), "an episode begins with a milestone"
        for step in range(SPECS[env_id].horizon):
            choose_well = step % 3 == 0 or seed >= 20  # so that the later ones are met too
            try_act(world, world.oracle() if choose_well else rng.choice(world.candidates().actions))
            facts = world.facts()
            now = np.array(facts["milestones"])
            assert set(now) <= {0.0, 1.0} and (now >= before).all()
            assert 0 <= facts["progress"] <= 1 and 0 <= facts["fitness"] <= 1
            before = now
            if facts["failure"]:
                break
        reached += before
    assert (reached > 0).mean() > 0.6, dict(zip(task.fields["milestones"].names, reached, strict=True))


@pytest.mark.parametrize("env_id", IDS)
def test_hash_tells_states_apart(env_id: str) -> None:
    """Equal seeds and actions give equal hashes, other seeds others; reading facts and candidates changes nothing."""
    one, two = make_world(env_id), make_world(env_id)
    first = set()
    for seed in range(20):
        one.reset(seed)
        two.reset(seed)
        first.add(one.state_hash())
        for _ in range(6):
            if one.facts()["failure"]:
                break
            action = one.oracle()
            one.candidates()
            one.act(action)
            two.act(action)
            assert one.state_hash() == two.state_hash()
    assert len(first) == 20


@pytest.mark.parametrize("env_id", IDS)
def test_episodes_share_nothing(env_id: str) -> None:
    """What one episode changes is not there in the next of the same seed, nor in another world."""
    world, other = make_world(env_id), make_world(env_id)
    world.reset(5)
    begin, described = world.state_hash(), world.describe()
    finish_by_oracle(world, 60)
    assert world.state_hash() != begin
    for fresh in (world, other):
        fresh.reset(5)
        assert fresh.state_hash() == begin and fresh.describe() == described
