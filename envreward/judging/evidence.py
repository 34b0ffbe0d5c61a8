"""Evidence: episodes of a fixed set of policies, played or read, and what distances and sensitivity need of them."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import gymnasium as gym
import torch
from torch import Tensor

from envreward.agents.rollouts import Episode, Rollouts, read_rollouts
from envreward.errors import ConfigError
from envreward.fields import public_fields
from envreward.registry import make_task
from envreward.rewards.distances import Transitions
from envreward.rewards.distances.transitions import Column
from envreward.task import Task
from envreward.training.policy_io import FORM, WEIGHTS, PolicyForm, action_bounds, load_policy, save_policy
from envreward.world_task import WorldTask

from .config import JudgingConfig
from .findings import Kind
from .scoring import Transcript

if TYPE_CHECKING:
    from envreward.fields import Field


@dataclass(frozen=True, kw_only=True)
class Player:
    """Recorded episodes of one policy."""

    name: str
    kind: Kind
    rollouts: Rollouts


def play_all(env_id: str, policies: Mapping[str, Path], config: JudgingConfig, folder: Path) -> list[Player]:
    """Let the task's behaviours, random policies and trained ones play the same episodes.

    Args:
        env_id: The task.
        policies: Folders of trained policies by name.
        config: How many episodes, of which seed, and how many random policies.
        folder: Where rollouts are written.

    Raises:
        ConfigError: A policy cannot be read or does not fit the task.
        UnknownNameError: No such task.
    """
    from envreward.agents.policy_rollouts import NULL, RANDOM, play_behaviours, play_policies

    for path in policies.values():
        load_policy(path)  # what cannot be read is said before anything is played
    own: dict[str, Kind] = {NULL: "null", RANDOM: "random"}
    episodes, seed = config.episodes, config.seed
    played = play_behaviours(env_id, None, episodes=episodes, seed=seed, folder=folder / "behaviours")
    players = [Player(name=n, kind=own.get(n, "reference"), rollouts=r) for n, r in played.items()]
    drawn = random_policies(make_task(env_id), config.random_policies, folder / "weights", seed=seed)
    mine = {name if name not in drawn else f"{name} (trained)": path for name, path in policies.items()}
    if drawn or mine:
        found = play_policies(env_id, {**drawn, **mine}, episodes=episodes, seed=seed, folder=folder / "policies")
        players += [Player(name=n, kind="random" if n in drawn else "trained", rollouts=r) for n, r in found.items()]
    return players


def random_policies(task: Task, number: int, folder: Path, *, seed: int) -> dict[str, Path]:
    """Write policies of random linear weights, which move the worlds in more ways than independent random actions do.

    Weights are normal, with a scale that grows from policy to policy: from small movements to actions that mostly stand
    at their bounds.

    Args:
        task: Whose observations are vectors; for others there are none.
        number: How many.
        folder: Where they are written.
        seed: Of the weights.

    Returns:
        Their folders by name.
    """
    space, actions = task.observation_space, task.action_space
    plain = isinstance(space, gym.spaces.Box) and len(space.shape) == 1 and not isinstance(task, WorldTask)
    if not plain or not isinstance(actions, (gym.spaces.Box, gym.spaces.Discrete)):
        return {}
    assert space.shape is not None
    inputs = int(space.shape[0])
    continuous = isinstance(actions, gym.spaces.Box)
    outputs = int(actions.shape[0]) if isinstance(actions, gym.spaces.Box) else int(actions.n)
    form = PolicyForm(
        env_id=task.spec.id,
        obs_shape=(inputs,),
        action_shape=(outputs,) if continuous else (),
        action_size=outputs,
        layers=(),
        activation="tanh",
        head="gaussian" if continuous else "categorical",
        obs_clip=10.0,
    )
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for index in range(number):
        scale = 0.3 * 2**index / inputs**0.5
        tensors = {
            "actor.0.weight": scale * torch.randn(inputs, outputs, generator=generator),
            "actor.0.bias": 0.1 * torch.randn(outputs, generator=generator),
            **action_bounds(actions),
        }
        found[f"linear-{index + 1}"] = folder / f"linear-{index + 1}"
        save_policy(found[f"linear-{index + 1}"], form, tensors)
    return found


def find_policies(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the policies in folders and anywhere below them, named by what tells their paths apart.

    Raises:
        ConfigError: A folder does not exist or holds no policy.
    """
    found: list[Path] = []
    for folder in folders:
        here = sorted(path.parent for path in folder.rglob(FORM) if (path.parent / WEIGHTS).is_file())
        if not here:
            raise ConfigError(f"{folder} holds no policy: no {FORM} with {WEIGHTS} beside it, there or below")
        found += [path.resolve() for path in here]
    unique = list(dict.fromkeys(found))
    names = [path.name for path in unique]
    return {(p.name if names.count(p.name) == 1 else _distinct(p, unique)): p for p in unique}


def _distinct(path: Path, others: Sequence[Path]) -> str:
    """Return as many of the last parts of a path as tell it from the others, joined to a file name."""
    for length in range(2, len(path.parts)):
        tail = path.parts[-length:]
        if sum(other.parts[-length:] == tail for other in others) == 1:
            return "-".join(tail)
    return re.sub(r"\W+", "-", str(path)).strip("-")


def read_players(files: Iterable[Path], env_id: str) -> list[Player]:
    """Read rollouts files as policies of kind ``recorded``.

    Raises:
        ConfigError: A file cannot be read, is of another task, or holds no episode that has ended.
    """
    players: list[Player] = []
    wanted = make_task(env_id).spec.id
    for file in files:
        rollouts = read_rollouts(file)
        if rollouts.header.env_id != wanted:
            raise ConfigError(f"{file} holds rollouts of {rollouts.header.env_id}, not of {wanted}")
        if not rollouts.episodes:
            raise ConfigError(f"{file} holds no episode that has ended")
        players.append(Player(name=file.stem, kind="recorded", rollouts=rollouts))
    return players


def told_apart(players: Iterable[Player]) -> list[Player]:
    """Return players of which those with the name of an earlier one are numbered."""
    seen: Counter[str] = Counter()
    found = []
    for player in players:
        seen[player.name] += 1
        number = f" ({seen[player.name]})" if seen[player.name] > 1 else ""
        found.append(dataclasses.replace(player, name=player.name + number))
    return found


def find_rollouts(folder: Path) -> list[Path]:
    """Return the rollouts files (``*.jsonl``) in a folder.

    Raises:
        ConfigError: There are none.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise ConfigError(f"{folder} holds no rollouts (*.jsonl)")
    return files


def transcript(players: Sequence[Player]) -> Transcript:
    """Put the episodes of players together.

    Raises:
        ConfigError: There are none with steps, or they were recorded with different fields.
    """
    if not players:
        raise ConfigError("there are no episodes to judge rewards on")
    first = players[0].rollouts
    for player in players[1:]:
        header = player.rollouts.header
        if header.fields != first.header.fields or header.stored != first.header.stored:
            changed = _changed(first.header.fields, header.fields)
            raise ConfigError(
                f"{player.rollouts.path} was recorded with other fields than {first.path} ({changed}): it is of "
                "another version of the task; record it again"
            )
    episodes = tuple(episode for player in players for episode in player.rollouts.episodes)
    if not any(episode.steps for episode in episodes):
        raise ConfigError("no recorded episode has a step: there is nothing to judge rewards on")
    return Transcript(first.header, episodes)


def _changed(one: Mapping[str, Field], two: Mapping[str, Field]) -> str:
    plain = [{n: dataclasses.replace(f, read=None) for n, f in fields.items()} for fields in (one, two)]
    names = sorted(n for n in plain[0].keys() | plain[1].keys() if plain[0].get(n) != plain[1].get(n))
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") or "their types"


class Draw(NamedTuple):
    """Transitions drawn from recorded episodes."""

    transitions: Transitions
    rows: Tensor
    """Where they are among the steps of all players' episodes, one after another, int64 ``[R]``."""


def draw_transitions(players: Sequence[Player], limit: int, *, seed: int) -> Draw:
    """Draw transitions evenly from players: as many of each as of any other, as far as there are.

    Args:
        players: Whose episodes.
        limit: How many at most in all.
        seed: Of the draw.

    Raises:
        ConfigError: No episode has a step.
    """
    generator = torch.Generator().manual_seed(seed)
    share = max(1, limit // max(1, len(players)))
    parts, rows, start = [], [], 0
    for player in players:
        episodes = [episode for episode in player.rollouts.episodes if episode.steps]
        steps = sum(episode.steps for episode in episodes)
        picks = torch.randperm(steps, generator=generator)[:share].sort().values
        if steps:
            parts.append(_rows(_columns(episodes), picks))
        rows.append(start + picks)
        start += steps
    if not parts:
        raise ConfigError("no recorded episode has a step: there is nothing to judge rewards on")
    drawn = Transitions(
        before={name: _joined([part.before[name] for part in parts]) for name in parts[0].before},
        action=torch.cat([part.action for part in parts]),
        after={name: _joined([part.after[name] for part in parts]) for name in parts[0].after},
        terminated=torch.cat([part.terminated for part in parts]),
    )
    return Draw(drawn, torch.cat(rows))


def public_states(found: Transitions, fields: Mapping[str, Field]) -> Transitions:
    """Return transitions with public fields alone, which make up the state for fitted values and potentials."""
    public = public_fields(fields)
    return dataclasses.replace(
        found,
        before={name: column for name, column in found.before.items() if name in public},
        after={name: column for name, column in found.after.items() if name in public},
    )


def _columns(episodes: Sequence[Episode]) -> Transitions:
    names = [name for name in episodes[0].facts if name != "action"]
    steps = sum(episode.steps for episode in episodes)
    action: Tensor = torch.zeros(steps)
    if "action" in episodes[0].facts:
        action = torch.cat([e.facts["action"][1:] for e in episodes if isinstance(e.facts["action"], Tensor)])
    return Transitions(
        before={name: _joined([e.facts[name][:-1] for e in episodes]) for name in names},
        action=action,
        after={name: _joined([e.facts[name][1:] for e in episodes]) for name in names},
        terminated=torch.cat([e.terminated for e in episodes]),
    )


def _rows(found: Transitions, rows: Tensor) -> Transitions:
    before = found.table([f"prev_{name}" for name in found.before], rows)
    return Transitions(
        before={name: before[f"prev_{name}"] for name in found.before},
        action=found.action[rows],
        after=found.table([*found.after], rows),
        terminated=found.terminated[rows],
    )


def _joined(columns: Sequence[Column]) -> Column:
    tensors = [column for column in columns if isinstance(column, Tensor)]
    if len(tensors) == len(columns):
        return torch.cat(tensors)
    return [text for column in columns for text in column if isinstance(text, str)]
