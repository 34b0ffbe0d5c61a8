"""Files of a training: metrics, checkpoints, policies, event files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from envreward.errors import ConfigError
from envreward.training.checkpoint import CheckpointWriter, checkpoint_path, load_parts, open_checkpoint
from envreward.training.config import MetricRow
from envreward.training.metrics import FILE, MetricReader, MetricWriter, append_rows, read_rows, repair
from envreward.training.networks import NetworkSpec, StackedActorCritic, initial_weights, named_weights
from envreward.training.policy_io import action_bounds, load_policy, network_form, save_policy
from envreward.training.tensorboard import EventMirror

ROW = MetricRow(
    key="a", step=100, wall_s=1.5, success=None, fitness=2.0, episode_return=3.0, episode_length=4.0,
    components={"speed": 0.5}, reward_mean=0.1, entropy=1.0, kl=0.01, clip_fraction=0.2, value_loss=0.3,
    explained_variance=None, learning_rate=3e-4,
)  # fmt: skip


def at(key: str, step: int) -> MetricRow:
    return dataclasses.replace(ROW, key=key, step=step)


def test_rows_survive_the_trip(tmp_path: Path) -> None:
    """What is written is read back equal, missing numbers as missing."""
    append_rows(tmp_path, [ROW, at("b", 100)])
    assert read_rows(tmp_path) == [ROW, at("b", 100)]


def test_reader_takes_whole_lines_only(tmp_path: Path) -> None:
    """A line that is being written is left for the next look; none is read twice."""
    reader = MetricReader(tmp_path)
    assert reader.new_rows() == []
    append_rows(tmp_path, [ROW])
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text + text[:20])
    assert reader.new_rows() == [ROW]
    (tmp_path / FILE).write_text(text + text)
    assert reader.new_rows() == [ROW]
    assert reader.new_rows() == []


def test_resumed_writer_repeats_nothing(tmp_path: Path) -> None:
    """After a kill in the middle of a line, rows that are there are not written again and the broken one is."""
    append_rows(tmp_path, [at("a", 100), at("b", 100), at("a", 200)])
    with (tmp_path / FILE).open("a") as file:
        file.write('{"key": "b", "step": 2')
    repair(tmp_path)
    writer = MetricWriter(tmp_path)
    writer.write([at("a", 200), at("b", 200)])
    writer.write([at("a", 300)])
    steps = [(row.key, row.step) for row in read_rows(tmp_path)]
    assert steps == [("a", 100), ("b", 100), ("a", 200), ("b", 200), ("a", 300)]


def test_checkpoint_survives_the_trip(tmp_path: Path) -> None:
    """States, updates and wall-clock time come back bit for bit, whatever the dtype."""
    states = {
        "a": {"weights": torch.randn(5), "env.seed": torch.tensor([-(2**62), 7])},
        "b|c": {"episode.success": torch.tensor([True]), "generator": torch.Generator().get_state()},
    }
    path = checkpoint_path(tmp_path, 1, 0)
    CheckpointWriter(path, 0, {}, 0).save(states, 7, 12.5)
    assert open_checkpoint(tmp_path, 0, 0) is None
    found = open_checkpoint(tmp_path, 1, 0)
    assert found is not None
    assert (found.updates, found.wall_s, found.members) == (7, 12.5, ("a", "b|c"))
    for key, state in found.states().items():
        assert state.keys() == states[key].keys()
        assert all(torch.equal(state[name], states[key][name]) for name in state)


def test_checkpoint_writes_experience_once(tmp_path: Path) -> None:
    """Experience goes into a file per checkpoint that is never changed; what is too old to be used is deleted."""
    path = checkpoint_path(tmp_path, 0, 0)

    def lived(step: int) -> dict[str, dict[str, torch.Tensor]]:
        return {"a": {"weights": torch.ones(2), f"replay.{step:03d}.obs": torch.full((3,), float(step))}}

    writer = CheckpointWriter(path, 20, {}, 0)
    writer.save(lived(0), 10, 1.0)
    (first,) = (path.parent / "replay" / "a").iterdir()
    before = first.stat()
    assert writer.saved == 10
    writer.save(lived(1), 20, 2.0)
    assert first.stat().st_mtime_ns == before.st_mtime_ns and first.stat().st_ino == before.st_ino
    found = open_checkpoint(tmp_path, 0, 0)
    assert found is not None and found.states()["a"].keys() == {"weights"}
    experience = load_parts(tmp_path, "a", found.parts["a"])
    assert {name: rows.tolist() for name, rows in experience.items()} == {
        "replay.000.obs": [0.0] * 3, "replay.001.obs": [1.0] * 3,
    }  # fmt: skip
    resumed = CheckpointWriter(path, 20, found.parts, found.updates)
    resumed.save({"a": {"weights": torch.ones(2)}}, 30, 3.0)
    assert not first.exists()  # all of it came before the last 20 updates
    found = open_checkpoint(tmp_path, 0, 0)
    assert found is not None and load_parts(tmp_path, "a", found.parts["a"]).keys() == {"replay.001.obs"}


def make_policy(folder: Path, head: str) -> tuple[StackedActorCritic, NetworkSpec]:
    import gymnasium as gym

    spec = NetworkSpec(obs_size=3, action_size=2, hidden_sizes=(8, 4), activation="relu", head=head)  # type: ignore[arg-type]
    row = initial_weights(spec, -1.0, torch.Generator()) * 40
    space = gym.spaces.Box(-0.5, 0.5, (2,)) if head == "gaussian" else gym.spaces.Discrete(2)
    extra = {"obs_mean": torch.tensor([1.0, 2.0, 3.0]).double(), "obs_scale": torch.tensor([0.5, 1.0, 2.0]).double()}
    save_policy(
        folder, network_form("Some/Env-v0", spec, (3,), 5.0), named_weights(spec, row) | extra | action_bounds(space)
    )
    return StackedActorCritic(spec, row.unsqueeze(0)), spec


@pytest.mark.parametrize("head", ["gaussian", "categorical"])
def test_loaded_policy_acts_like_the_networks(head: str, tmp_path: Path) -> None:
    """A saved policy normalises, clips and answers as the networks did in training, without noise."""
    nets, _ = make_policy(tmp_path / "p", head)
    obs = torch.randn(50, 3, dtype=torch.float64) * 4
    x = ((obs - torch.tensor([1.0, 2.0, 3.0])) * torch.tensor([0.5, 1.0, 2.0])).clamp(-5, 5).float()
    output = nets.action(x.unsqueeze(0))[0]
    action = load_policy(tmp_path / "p").act(obs)
    if head == "gaussian":
        assert action.dtype == torch.float32
        torch.testing.assert_close(action, output.clamp(-0.5, 0.5))
    else:
        assert torch.equal(action, output.argmax(-1))


def test_policy_that_is_none_is_refused(tmp_path: Path) -> None:
    """A missing, broken or ill-fitting policy is refused with what is wrong."""
    with pytest.raises(ConfigError, match=r"policy\.json is missing"):
        load_policy(tmp_path)
    make_policy(tmp_path, "gaussian")
    text = (tmp_path / "policy.json").read_text()
    (tmp_path / "policy.json").write_text(text.replace('"action_size": 2', '"action_size": 5'))
    with pytest.raises(ConfigError, match="layer 2"):
        load_policy(tmp_path)
    (tmp_path / "policy.json").write_text("{")
    with pytest.raises(ConfigError, match="no readable policy"):
        load_policy(tmp_path)
    (tmp_path / "policy.json").write_text(text)
    (tmp_path / "policy.safetensors").write_bytes(b"not a policy")
    with pytest.raises(ConfigError, match="no readable policy"):
        load_policy(tmp_path)


def test_event_files_say_what_the_metrics_say(tmp_path: Path) -> None:
    """TensorBoard's own reader finds each number at its step, components included, and nothing for what is missing."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    mirror = EventMirror(tmp_path)
    append_rows(tmp_path, [ROW])
    mirror.update()
    append_rows(tmp_path, [at("a", 200)])
    mirror.update()
    (path,) = (tmp_path / "tensorboard" / "a").iterdir()
    found = {
        (value.tag, event.step): value.simple_value
        for event in LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
    }
    assert found["episode/fitness", 100] == found["episode/fitness", 200] == 2.0
    assert found["component/speed", 200] == 0.5
    assert ("episode/success", 100) not in found
    EventMirror(tmp_path).update()  # a resumed session makes the files anew from the same metrics
    assert len([*(tmp_path / "tensorboard" / "a").iterdir()]) == 1
