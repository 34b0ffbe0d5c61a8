"""Training on a device: what lies there stays there, and it is the training of the CPU, bit for bit.

No test machine need have a GPU. So one device is pretended: `Apart` is a tensor whose numbers lie on the CPU but which
says that it lies on torch's ``meta`` device, and which no CPU tensor may meet in an operation, as on a GPU.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import envreward.training.population as population_module
from envreward.errors import ConfigError
from envreward.evaluation import play
from envreward.registry import make_task
from envreward.task_vector_env import TaskVectorEnv
from envreward.training.checkpoint import CheckpointWriter, checkpoint_path, load_parts, open_checkpoint
from envreward.training.config import MetricRow, TrainingJob
from envreward.training.job import first_plan
from envreward.training.policy_io import Policy
from envreward.training.population import Population
from envreward.training.reward_opening import open_reward
from envreward.training.runner import check_job
from envreward.training.trainers import make_algorithm
from envreward.vector_env import make_vector_env

FAR = torch.device("meta")
TRAINING = str(Path(population_module.__file__).parent)

# --- Every tensor is told its device ---------------------------------------------------------------------------------

FACTORIES = (
    "arange", "as_tensor", "empty", "eye", "from_numpy", "full", "linspace", "logspace", "normal", "ones", "rand",
    "randint", "randn", "randperm", "tensor", "zeros",
)  # fmt: skip
"""Functions of torch that make a tensor of no other."""

BORN_ON_THE_CPU = {
    ("running.py", "fresh_running"),
    ("ppo_learner.py", "fresh"),
    ("sac.py", "fresh"),
    ("networks.py", "initial_weights"),
    ("mlp.py", "initial"),
}
"""What a member begins with is drawn and kept on the CPU, the same on all machines, as states in checkpoints are; the
population then moves it to its device."""


class NamesTheDevice(TorchFunctionMode):
    """Notes what code in `envreward.training` makes without saying on which device."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: Counter[tuple[str, str, str]] = Counter()
        self.made = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        frame = sys._getframe(1)
        file = Path(frame.f_code.co_filename)
        if name in FACTORIES and getattr(torch, name, None) is func and str(file.parent) == TRAINING:
            self.made += 1
            place = (file.name, frame.f_code.co_name)
            if kwargs.get("device") is None and place not in BORN_ON_THE_CPU:
                self.silent[(*place, name)] += 1
        return func(*args, **kwargs)


TINY = {"num_worlds": 2, "rollout_steps": 8, "hidden_sizes": (8, 8)}
TINY_PPO = {**TINY, "minibatch_size": 8}
TINY_SAC = {**TINY, "replay_size": 1000, "learning_starts": 16, "updates_per_step": 1 / 8, "batch_size": 16}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "ppo": {"env_id": "Hopper", "ppo": {**TINY_PPO, "lr_schedule": "adaptive", "target_kl": 0.01}},
    "ppo, stopped by the divergence": {"env_id": "InvertedPendulum", "ppo": {**TINY_PPO, "target_kl": 1e-5}},
    "ppo, no normalisation": {
        "env_id": "Hopper",
        "ppo": {**TINY_PPO, "normalize_obs": False, "normalize_reward": False, "lr_schedule": "constant"},
    },
    "sac": {"env_id": "Hopper", "trainer": "sac", "sac": TINY_SAC},
    "sac, single steps": {
        "env_id": "Hopper", "trainer": "sac",
        "sac": {**TINY_SAC, "n_step": 1, "normalize_obs": False, "normalize_reward": False, "replay_size": 32},
    },
}  # fmt: skip
"""Jobs that between them go through all of PPO and SAC, cut-offs included: episodes are `EPISODE` steps long."""
EPISODE = 5


@pytest.fixture
def rewards(write_program: Callable[..., str]) -> dict[str, str]:
    """An expert reward, the sparse one, and a program in a process of its own."""
    return {"a-s0": "expert", "b-s0": "sparse", "c-s0": write_program("good")}


@pytest.fixture(autouse=True)
def short_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worlds of populations end their episodes after a few steps."""
    make = functools.partial(make_vector_env, max_episode_steps=EPISODE)
    monkeypatch.setattr(population_module, "make_vector_env", make)


def make_one(job: TrainingJob, folder: Path, **state: Any) -> Population:
    task = make_task(job.env_id)
    sources = {m.key: open_reward(m, job, folder, task, job.steps_per_update) for m in job.members}
    return Population(job, job.members, sources, **state)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_tensor_is_told_its_device(settings: Mapping[str, Any], make_job: Any, tmp_path: Path) -> None:
    """Nothing in training makes a tensor without saying where, but for what members are born with."""
    with NamesTheDevice() as mode:
        population = make_one(make_job({"a-s0": "expert", "b-s0": "sparse"}, **settings), tmp_path)
        for _ in range(4):
            population.train_once(0.0)
        population.save()
        population.close()
    assert mode.made > 50
    assert not mode.silent, f"made without a device: {dict(mode.silent)}"


def test_the_watch_sees_what_it_shall() -> None:
    """A factory that is not told its device is noticed when training's own code calls it."""
    code = compile("made = torch.zeros(3)", f"{TRAINING}/population.py", "exec")
    with NamesTheDevice() as mode:
        exec(code, {"torch": torch})
    assert mode.silent == {("population.py", "<module>", "zeros"): 1}


# --- A pretended device ----------------------------------------------------------------------------------------------


class Apart(Tensor):
    """A tensor on the pretended device; its numbers lie on the CPU in ``held``."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Apart:
        made: Apart = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=FAR
        )
        made.held = held
        return made

    def tolist(self) -> Any:
        return self.held.tolist()  # torch refuses it for tensors of other classes

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return operate(func, args, kwargs or {})


MOVING = ("aten::copy_", "aten::_to_copy")
"""Operations that may have tensors of two devices: copies."""


def operate(func: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Do what torch would do with the pretended device, with the CPU's numbers."""
    leaves = [*_leaves(args), *_leaves(kwargs.values())]
    far = any(isinstance(leaf, Apart) for leaf in leaves)
    device = kwargs.get("device")
    where = torch.device(device) if device is not None else FAR if far else torch.device("cpu")
    if not far and where != FAR:
        return func(*args, **kwargs)
    name: str = func._schema.name
    if far and name not in MOVING:
        near = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, Apart) and leaf.dim()]
        assert not near, f"{name} of a tensor on the device and one on the CPU, of shape {tuple(near[0].shape)}"
    out = func(*map(_held, args), **{key: _held(value) for key, value in kwargs.items()})
    if func._schema.is_mutable:  # in place, or into ``out``: what was given is what comes back
        return next(arg for arg in (kwargs.get("out"), *args) if isinstance(arg, Tensor))
    return _far(out) if where == FAR else out


def _leaves(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _held(value: Any) -> Any:
    if isinstance(value, Apart):
        return value.held
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return [_held(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _far(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Apart(value)
    return type(value)(map(_far, value)) if isinstance(value, (list, tuple)) else value


class Operations(TorchDispatchMode):
    """Sends operations without an `Apart` tensor among their arguments to `operate` too: factories and copies."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return operate(func, args, kwargs or {})


class Calls(TorchFunctionMode):
    """What is out of a dispatch mode's reach: `torch.tensor`, and which generator draws."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device, generator = kwargs.get("device"), kwargs.get("generator")
        where = torch.device("cpu" if device is None else device)
        if generator is not None:
            drawn = args[0].device if args and isinstance(args[0], Tensor) else where  # in place, or anew
            assert generator.device == drawn, f"{func.__name__} on {drawn} by a generator of {generator.device}"
        if func is torch.tensor and where == FAR:
            return Apart(func(*args, **{**kwargs, "device": "cpu"}))
        return func(*args, **kwargs)


class Draws(torch.Generator):
    """A generator of the pretended device."""

    def __new__(cls, device: torch.device | str = "cpu") -> Draws:
        made = super().__new__(cls, "cpu")
        made.place = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place


class FarWorlds:
    """Worlds of a task on the pretended device."""

    def __init__(self, env: TaskVectorEnv) -> None:
        self._env, self.device = env, FAR
        self.num_envs, self.task, self.can_save = env.num_envs, env.task, env.can_save
        self.request, self.close = env.request, env.close

    def reset(self, **kwargs: Any) -> tuple[Tensor, dict[str, Any]]:
        return Apart(self._env.reset(**kwargs)[0]), {}

    def advance(self, action: Tensor) -> Any:
        assert isinstance(action, Apart), "an action that is not on the device of the worlds"
        found = self._env.advance(action.held)
        state = {name: _far(value) for name, value in found.state.items()}
        moved = found._replace(**{n: _far(value) for n, value in found._asdict().items()})._replace(state=state)
        return moved._replace(final_obs=moved.obs) if found.final_obs is found.obs else moved

    def save(self) -> dict[str, Tensor]:
        stays = ("seed", "episode")  # NumPy's, on the CPU wherever the worlds are
        return {n: rows if n in stays else Apart(rows) for n, rows in self._env.save().items()}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        self._env.load({name: _held(rows) for name, rows in saved.items()})


@pytest.fixture
def far_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that ``meta`` is a device on which worlds can live."""

    def make(env_id: str, num_envs: int, *, reward: str, device: str) -> Any:
        env = make_vector_env(env_id, num_envs, reward=reward, max_episode_steps=EPISODE)
        return FarWorlds(env) if torch.device(device) == FAR else env

    monkeypatch.setattr(population_module, "make_vector_env", make)
    monkeypatch.setattr(torch, "Generator", Draws)
    with Calls(), Operations():
        yield


def test_the_pretended_device_refuses_strangers(far_device: None) -> None:
    """An operation with tensors of both, or a draw by the other's generator, fails; a copy does not."""
    there, here = torch.zeros(3, device=FAR), torch.ones(3)
    with pytest.raises(AssertionError, match="aten::add of a tensor on the device and one on the CPU"):
        there + here
    with pytest.raises(AssertionError, match="by a generator of cpu"):
        torch.rand(3, generator=torch.Generator(), device=FAR)
    there[1:] = here[1:]
    assert isinstance(there, Apart) and there.device == FAR
    assert not isinstance(there.cpu(), Apart) and there.cpu().tolist() == [0.0, 1.0, 1.0]


def trained(job: TrainingJob, folder: Path, updates: int = 4) -> tuple[list[MetricRow], dict[str, dict[str, Tensor]]]:
    population = make_one(job, folder)
    rows = [row for _ in range(updates) for row in population.train_once(0.0)[0]]
    states = population.save()
    population.close()
    return rows, states


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_it_is_the_training_of_the_cpu(
    settings: Mapping[str, Any], make_job: Any, rewards: dict[str, str], tmp_path: Path, far_device: None
) -> None:
    """On a device, no operation has tensors of both, and curves and states are the CPU's, bit for bit."""
    if settings["env_id"] != "Hopper":
        rewards = {"a-s0": "expert", "b-s0": "sparse"}
    expected_rows, expected = trained(make_job(rewards, **settings), tmp_path)
    assert expected_rows[-1].episode_length is not None
    rows, states = trained(make_job(rewards, **settings, device=str(FAR)), tmp_path)
    assert rows == expected_rows
    for key, state in states.items():
        assert state.keys() == expected[key].keys()
        for name, values in state.items():
            assert not isinstance(values, Apart), f"{name} is not on the CPU"
            assert torch.equal(values, expected[key][name]), name


@pytest.mark.parametrize("trainer", ["ppo", "sac"])
def test_checkpoints_are_read_back_to_the_device(
    trainer: str, make_job: Any, rewards: dict[str, str], tmp_path: Path, far_device: None
) -> None:
    """Saved to a file, experience included, and gone on with from it, members end as without the interruption."""
    job = make_job(rewards, trainer=trainer, ppo=TINY_PPO, sac=TINY_SAC, device=str(FAR))
    whole = make_one(job, tmp_path)
    for _ in range(4):
        whole.train_once(0.0)
    path = checkpoint_path(tmp_path, 0, 0)
    memory = make_algorithm(job, make_task(job.env_id)).memory
    CheckpointWriter(path, memory, {}, 0).save(whole.save(0), whole.updates, 0.0)
    rows = [row for _ in range(3) for row in whole.train_once(0.0)[0]]
    checkpoint = open_checkpoint(tmp_path, 0, 0)
    assert checkpoint is not None
    states = checkpoint.states()
    for key, names in checkpoint.parts.items():
        states[key] |= load_parts(tmp_path, key, names)
    again = make_one(job, tmp_path, states=states, updates=checkpoint.updates)
    assert [row for _ in range(3) for row in again.train_once(0.0)[0]] == rows
    whole.close()
    again.close()


def test_a_member_that_drops_out_on_the_device(
    make_job: Any, write_program: Callable[..., str], tmp_path: Path, far_device: None
) -> None:
    """When a program fails, the others go on, their replays where they were, as they do on the CPU."""
    bad = write_program("bad", ("alive = healthy", "x_velocity.view(3, 7)\n    alive = healthy"))
    rewards = {"a-s0": "expert", "b-s0": bad}
    found = []
    for device in ("cpu", str(FAR)):
        job = make_job(rewards, trainer="sac", sac=TINY_SAC, device=device)
        population = make_one(job, tmp_path)
        retired = population.train_once(0.0)[1]
        assert [r.member.key for r in retired] == ["b-s0"]
        assert all(not isinstance(v, Apart) for n, v in retired[0].state.items() if not n.startswith("replay."))
        found.append([row for _ in range(4) for row in population.train_once(0.0)[0]])
        population.close()
    assert found[0] == found[1] and len(found[0]) == 4


def test_policies_are_scored_on_the_device(make_job: Any, tmp_path: Path, far_device: None) -> None:
    """A policy on the device plays the episodes that it plays on the CPU."""
    job = make_job({"a-s0": "expert"}, ppo=TINY_PPO)
    states = trained(job, tmp_path, 1)[1]
    task = make_task(job.env_id)
    form, tensors = make_algorithm(job, task).policy(states["a-s0"])
    scores = []
    for device in (torch.device("cpu"), FAR):
        env: Any = make_vector_env(job.env_id, 3, reward="none", max_episode_steps=20)
        env.request(())
        worlds = FarWorlds(env) if device == FAR else env
        policy = Policy(form, {name: values.to(device) for name, values in tensors.items()})
        scores.append(play(policy, worlds, "m", seed=1))
        env.close()
    assert scores[0] == scores[1]


# --- Settings --------------------------------------------------------------------------------------------------------


def test_jobs_without_a_device_are_of_the_cpu(make_job: Any) -> None:
    """A job that was recorded before there were devices is one of the CPU; a device is kept."""
    import dataclasses
    import json

    job = make_job({"a-s0": "expert"})
    old = dataclasses.asdict(job)
    del old["device"]
    assert TrainingJob.from_json(json.dumps(old)) == job
    far = dataclasses.replace(job, device="cuda:1")
    assert TrainingJob.from_json(json.dumps(dataclasses.asdict(far))) == far and not far.on_cpu


def test_one_process_trains_on_a_gpu(make_job: Any) -> None:
    """All members share a GPU in one process, however many cores there are."""
    job = make_job({f"m{i}-s0": "expert" for i in range(5)}, device="cuda")
    assert first_plan(job).shards == (tuple(m.key for m in job.members),)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainer": "sb3:sac"}, "sb3:sac trains on the CPU only"),
        ({"processes": 4}, "one process trains on a GPU"),
        ({"device": "tpu"}, "no such device: 'tpu'"),
        ({"device": "meta"}, "worlds cannot live on device 'meta'"),
    ],
)
def test_devices_that_cannot_work(settings: dict[str, Any], message: str, make_job: Any) -> None:
    """What cannot train on a device is refused before anything starts, in one line that says what to do."""
    with pytest.raises(ConfigError, match=message) as refused:
        check_job(make_job({"a-s0": "expert"}, **{"device": "cuda", **settings}))
    assert "\n" not in str(refused.value)


def test_no_gpu_is_said_in_one_line(make_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a CUDA device a job that wants one is refused before anything starts, and the message says so."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device 'cuda': .*; use device 'cpu'$") as refused:
        check_job(make_job({"a-s0": "expert"}, device="cuda"))
    assert "\n" not in str(refused.value)
