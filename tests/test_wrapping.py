"""`envreward.wrap`: any Gymnasium environment as a task."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

import envreward
from envreward import Field, contract
from envreward.errors import ConfigError, UnknownNameError
from envreward.gym_vector_env import GymVectorEnv, flatten
from envreward.registry import find_task_spec, make_task, task_files
from envreward.task import Behaviour
from envreward.vector_env import make_vector_env

COUNT = {"count": Field("Steps taken.", dtype="int64", read=lambda w: w.steps)}


class Counter(gym.Env):
    """Counts up; terminates at ``end``, truncates itself at ``cut``; mixed observations, info and actions."""

    observation_space = gym.spaces.Dict(
        {
            "place": gym.spaces.Box(-1.0, 1.0, (2,), np.float64),
            "kind": gym.spaces.Discrete(3, start=1),
            "both": gym.spaces.Tuple((gym.spaces.MultiBinary(2), gym.spaces.MultiDiscrete([2, 3]))),
        }
    )
    action_space = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 7}  # noqa: RUF012

    def __init__(self, end: int = 10**6, cut: int = 10**6, bad: int = 10**6, render_mode: str | None = None) -> None:
        self.end, self.cut, self.bad, self.render_mode = end, cut, bad, render_mode

    def _observe(self) -> dict:
        place = np.clip(self.start + 0.1 * self.last, -1, 1).astype(np.float64)
        if self.steps >= self.bad:
            place[0] = np.nan
        both = (np.array([self.steps % 2, 1], np.int8), np.array([1, self.steps % 3]))
        return {"place": place, "kind": 1 + self.steps % 3, "both": both}

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.start, self.last, self.steps = self.np_random.uniform(-0.5, 0.5), np.zeros(2), 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        self.steps += 1
        self.last = action
        info = {"steps": self.steps, "text": f"step {self.steps}", "inner": {"twice": 2.0 * self.steps}}
        return self._observe(), 0.5 * self.steps, self.steps >= self.end, self.steps >= self.cut, info

    def render(self) -> np.ndarray:
        return np.full((4, 5, 3), self.steps, np.uint8)


def counter(horizon: int = 100, **kwargs):
    ends = {name: kwargs.pop(name) for name in ("end", "cut", "bad") if name in kwargs}

    def make(render_mode: str | None = None) -> Counter:
        return Counter(**ends, render_mode=render_mode)

    settings = {"fields": COUNT, "success": lambda w: w.steps >= 3, "horizon": horizon, "instruction": "Count."}
    return envreward.wrap(make, **{**settings, **kwargs})


def steps(env, count: int, action: torch.Tensor | None = None):
    action = torch.zeros(env.num_envs, 2) if action is None else action
    return [env.advance(action) for _ in range(count)]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0", "Taxi-v4"])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_wrapped_environments_keep_the_contract(check, env_id: str) -> None:
    """Wrapped environments, discrete or continuous in actions or observations, are tasks as any other."""
    envreward.wrap(
        env_id,
        instruction="Do something.",
        fields={"taken": Field("Steps taken.", dtype="int64", read=lambda w: w.steps)},
        success=lambda w: (w.action.flatten(1) if w.action.ndim > 1 else w.action[:, None]).any(1),
        behaviours=(
            Behaviour("something", succeeds=True, doc="policy: ones", act=lambda w, step: torch.ones_like(w.action)),
            Behaviour("nothing", succeeds=False, doc="policy: zeros"),
        ),
        expert="native",
        horizon=100,
        id=f"Test/{env_id}",
    )
    check(f"Test/{env_id}")


def test_same_episodes_as_gymnasium() -> None:
    """A world seeded alike sees, step by step, what Gymnasium's own environment shows, its reward included."""
    task = envreward.wrap("CartPole-v1", instruction="x", fields=COUNT, success=lambda w: w.steps > 9, expert="native")
    env = GymVectorEnv(task, 1, reward="expert", autoreset=False)
    obs, _ = env.reset(seed=0)
    reference = gym.make("CartPole-v1").unwrapped
    reference.reset(seed=0)
    reference.state = obs[0].numpy().astype(np.float64)
    rng = np.random.default_rng(0)
    for _ in range(8):
        action = int(rng.integers(2))
        obs, reward, terminated, *_ = env.step(torch.tensor([action]))
        theirs, their_reward, their_end, *_ = reference.step(action)
        np.testing.assert_allclose(obs[0].numpy(), theirs, atol=1e-5)
        assert float(reward[0]) == their_reward and bool(terminated[0]) == their_end


def test_readers_see_observation_action_info_and_attributes() -> None:
    """Fields read the raw observation, the action, numbers and text of info, and attributes, of every world."""
    fields = {
        "place": Field("Place.", shape=(2,), read=lambda w: w.obs["place"]),
        "kind": Field("Kind.", dtype="int64", read=lambda w: w.obs["kind"]),
        "told": Field("Steps, from info.", read=lambda w: w.info("steps", default=0)),
        "twice": Field(
            "Nested info.", read=lambda w: w.info("inner", default=None)["twice"] if w.steps.all() else w.reward
        ),
        "text": Field("Text.", dtype="str", read=lambda w: w.info("text", default="none")),
        "paid": Field("Reward.", read=lambda w: w.reward),
        "limit": Field("Attribute.", dtype="int64", read=lambda w: w.attribute("end")),
    }
    env = GymVectorEnv(counter(fields=fields), 2)
    env.request([*fields, "action", "prev_told", "prev_text"])
    env.reset(seed=0)
    action = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    first, second = steps(env, 2, action)
    assert first.state["prev_told"].tolist() == [0, 0] and first.state["prev_text"] == ["none", "none"]
    assert second.state["told"].tolist() == [2, 2] and second.state["prev_told"].tolist() == [1, 1]
    assert second.state["text"] == ["step 2", "step 2"] and second.state["twice"].tolist() == [4.0, 4.0]
    assert second.state["kind"].tolist() == [3, 3] and second.state["paid"].tolist() == [1.0, 1.0]
    assert second.state["limit"].tolist() == [10**6, 10**6]
    assert torch.equal(second.state["action"], action)
    assert first.obs.shape == (2, 12)  # 2 + 3 + 2 + 2 + 3


def test_flatten_is_gymnasiums() -> None:
    """Observations that are no Box are flattened as `gymnasium.spaces.flatten` does, in its order."""
    space = Counter.observation_space
    space.seed(0)
    samples = [space.sample() for _ in range(4)]
    batch = {
        "place": torch.as_tensor(np.stack([s["place"] for s in samples])),
        "kind": torch.as_tensor(np.stack([s["kind"] for s in samples])),
        "both": tuple(torch.as_tensor(np.stack([s["both"][i] for s in samples])) for i in range(2)),
    }
    expected = np.stack([gym.spaces.flatten(space, s) for s in samples])
    np.testing.assert_allclose(flatten(space, batch).numpy(), expected, atol=1e-6)


def test_ends_of_episodes() -> None:
    """The environment's own termination and truncation, the user's failure and the horizon each end an episode."""
    for kwargs, length, terminated in (
        ({"end": 4}, 4, True),
        ({"cut": 4}, 4, False),
        ({"failure": lambda w: w.steps >= 4}, 4, True),
        ({"horizon": 4}, 4, False),
        ({"end": 4, "cut": 4}, 4, True),
    ):
        env = GymVectorEnv(counter(**kwargs), 2)
        env.reset(seed=0)
        last = steps(env, length)[-1]
        assert last.terminated.tolist() == [terminated] * 2, kwargs
        assert last.truncated.tolist() == [not terminated] * 2, kwargs
        assert env.elapsed.tolist() == [0, 0]


def test_broken_numbers_end_the_episode_and_are_not_shown() -> None:
    """A world that observes NaN is truncated and flagged, with the last sound observation in place of the bad one."""
    env = GymVectorEnv(counter(bad=2), 2)
    env.reset(seed=0)
    sound, bad = steps(env, 2)
    assert bad.broken.all() and bad.truncated.all() and not bad.terminated.any()
    assert torch.isfinite(bad.final_obs).all() and torch.isfinite(bad.obs).all()
    assert torch.equal(bad.final_obs[:, :2], sound.obs[:, :2])


def test_worlds_in_processes_of_their_own_give_the_same() -> None:
    """``processes=True`` changes where worlds step, not what comes out."""
    results = []
    for processes in (False, True):
        env = GymVectorEnv(counter(end=3, processes=processes), 2)
        env.reset(seed=0)
        results.append([(t.obs, t.final_obs, t.terminated) for t in steps(env, 5)])
        env.close()
    for ours, theirs in zip(*results, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_default_scores() -> None:
    """Without a fitness, an episode's fitness is whether it succeeded; the sparse reward pays for success."""
    env = GymVectorEnv(counter(horizon=5), 1, reward="sparse")
    assert env.task.fitness_reduce == "max"
    env.reset(seed=0)
    rewards = [float(env.step(torch.zeros(1, 2))[1][0]) for _ in range(5)]
    assert rewards == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_pictures_come_from_the_environment() -> None:
    """With ``render_mode="rgb_array"`` the worlds' own pictures are returned; without it, a clear error."""
    env = GymVectorEnv(counter(), 2, render_mode="rgb_array")
    env.reset(seed=0)
    steps(env, 3)
    assert env.frame(1).shape == (4, 5, 3) and int(env.frame(1)[0, 0, 0]) == 3
    assert env.metadata["render_fps"] == 7
    env = GymVectorEnv(counter(), 1)
    with pytest.raises(ConfigError, match="render_mode='rgb_array'"):
        env.frame()


def test_made_from_a_task_in_hand() -> None:
    """A task that is registered nowhere can be made into worlds by giving it itself."""
    env = make_vector_env(counter(horizon=5), 3, reward="sparse", max_episode_steps=2)
    assert isinstance(env, GymVectorEnv) and env.num_envs == 3 and env.horizon == 2
    assert env.reset(seed=0)[0].shape == (3, 12)
    env.close()


def test_registered_under_an_id() -> None:
    """With an id, `gymnasium.make` and `gymnasium.make_vec` make it; wrapping again under the id replaces it."""
    for wanted in (3, 5):
        counter(id="Test/Counter-v0", success=lambda w, wanted=wanted: w.steps >= wanted)
        env = gym.make("Test/Counter-v0", reward="sparse")
        env.reset(seed=0)
        paid = [env.step(np.zeros(2, np.float32))[1] for _ in range(6)]
        assert paid.index(1.0) == wanted - 1
    assert gym.make_vec("Test/Counter-v0", num_envs=3).reset(seed=0)[0].shape == (3, 12)
    assert find_task_spec("Test/Counter-v0").instruction == "Count."


FILE = """
import gymnasium as gym
import envreward
from envreward import Field

fields = {"angle": Field("Tilt.", unit="rad", read=lambda w: w.obs[:, 2])}
pole = envreward.wrap("CartPole-v1", instruction="Balance.", fields=fields, success=lambda w: w.steps > 99)

def short():
    return envreward.wrap(
        "CartPole-v1", instruction="Balance.", fields=fields, success=lambda w: w.steps > 9, horizon=20
    )

number = 3
"""


def test_tasks_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``FILE.py:NAME`` names a task, or a function that makes one, from any folder; its id holds the whole path."""
    file = tmp_path / "my_env.py"
    file.write_text(FILE)
    monkeypatch.chdir(tmp_path)
    spec = find_task_spec("my_env.py:pole")
    assert spec.id == f"{file}:pole" and spec.horizon == 500
    assert task_files("my_env.py:pole") == (file,) and task_files("EnvReward/Hopper-v0") == ()
    monkeypatch.chdir("/")
    assert make_task(spec.id).spec == spec
    assert make_task(f"{file}:short").spec.horizon == 20
    env = make_vector_env(spec.id, 2)
    assert env.reset(seed=0)[0].shape == (2, 4)
    with pytest.raises(UnknownNameError, match="did you mean 'pole'"):
        make_task(f"{file}:poles")
    with pytest.raises(ConfigError, match="is no task but int"):
        make_task(f"{file}:number")
    with pytest.raises(ConfigError, match=r"no such file: /nowhere\.py"):
        make_task("/nowhere.py:x")
    with pytest.raises(ConfigError, match="no module 'nowhere'"):
        make_task("nowhere:x")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"instruction": "  "}, "instruction is empty"),
        ({"fields": {}}, "fields is empty"),
        ({"fields": {"prev_x": Field("X.", read=len)}}, "field 'prev_x'"),
        ({"fields": {"action": Field("X.", read=len)}}, "field 'action'"),
        ({"fields": {"x": Field("X.")}}, "field x: give it read="),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"horizon": None}, "horizon is needed"),
    ],
)
def test_bad_arguments_are_refused_at_once(change: dict, error: str) -> None:
    """What cannot work is refused when it is wrapped, in a line that names the argument."""
    with pytest.raises(ConfigError, match=error):
        counter(**change)


def test_unknown_gymnasium_id_lists_near_matches() -> None:
    """A misspelt Gymnasium id is answered with the nearest ones."""
    with pytest.raises(UnknownNameError, match="CartPole-v1"):
        envreward.wrap("CartPol-v1", instruction="x", fields=COUNT, success=lambda w: w.steps > 1)


@pytest.mark.parametrize(
    ("field", "error"),
    [
        (Field("X.", read=lambda w: w.obs["place"]), r"field x: read returned shape \[2, 2\], declared is \[2\]"),
        (Field("X.", dtype="bool", read=lambda w: w.reward), "field x: read returned torch.float64, declared is bool"),
        (Field("X.", dtype="str", read=lambda w: ["a"]), "field x: read returned list, not a list of 2 strings"),
        (Field("X.", read=lambda w: w.info("steps")), "unknown info key 'steps'.*default"),
        (Field("X.", read=lambda w: "abc"), "field x: read returned no numbers"),
    ],
)
def test_wrong_fields_say_what_is_wrong(field: Field, error: str) -> None:
    """A field whose ``read`` does not give what it declares is named when it is asked for, with both sides."""
    env = GymVectorEnv(counter(fields={"x": field}), 2)
    with pytest.raises((ConfigError, UnknownNameError), match=error):
        env.request(["x"])
