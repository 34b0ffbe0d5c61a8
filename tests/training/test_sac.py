"""The SAC update: SB3's own update on the same data gives the same weights, and members do not know of each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from envreward.training.config import SACConfig
from envreward.training.mlp import MLPForm
from envreward.training.sac import Batch, SACNetworks, update

OBS, ACTION, HIDDEN = 5, 2, (32, 24)
ACTOR = MLPForm((OBS, *HIDDEN, 2 * ACTION), "relu")
CRITIC = MLPForm((OBS + ACTION, *HIDDEN, 1), "relu")
CONFIG = SACConfig(learning_rate=1e-3, alpha_learning_rate=1e-3, tau=0.02, gamma=0.97, init_alpha=0.7)


def make_state(members: int, actor: MLPForm = ACTOR, critic: MLPForm = CRITIC) -> dict[str, Tensor]:
    states = [SACNetworks.fresh(actor, critic, -0.35, torch.Generator().manual_seed(i)) for i in range(members)]
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def make_batch(members: int, size: int, step: int, obs: int = OBS, action: int = ACTION) -> Batch:
    columns = []
    for i in range(members):
        g = torch.Generator().manual_seed(1000 * step + i)
        columns.append(
            {
                "both": torch.randn(2 * size, obs, generator=g),
                "action": torch.rand(size, action, generator=g) * 2 - 1,
                "reward": torch.randn(size, generator=g),
                "discount": CONFIG.gamma * (torch.rand(size, generator=g) > 0.2),
                "noise": torch.randn(2 * size, action, generator=g),
                "weight": torch.ones(size),
            }
        )
    return Batch(**{name: torch.stack([c[name] for c in columns]) for name in columns[0]})


@pytest.mark.filterwarnings("ignore")  # SB3's own
def test_same_steps_as_sb3(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights, batches and noise, Stable-Baselines3's `SAC.train` and ours agree to 1e-5.

    Compared over four gradient steps: losses, temperature, the gradients' moments in Adam, weights and target critics.
    """
    import gymnasium as gym
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    class Spaces(gym.Env):  # type: ignore[type-arg,misc]
        observation_space = gym.spaces.Box(-9.0, 9.0, (OBS,))
        action_space = gym.spaces.Box(-1.0, 1.0, (ACTION,))

    size = 64
    model = SAC(
        "MlpPolicy", Spaces(), batch_size=size, learning_rate=1e-3, gamma=CONFIG.gamma, tau=CONFIG.tau, buffer_size=10,
        ent_coef="auto_0.7", device="cpu", policy_kwargs={"net_arch": [*HIDDEN]},
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    state = make_state(1)
    state["log_alpha"][:] = float(np.log(0.7))
    # far from the bounds of the actions, where SB3 adds 1e-6 to what it takes the logarithm of
    ACTOR.views(state["actor"])[-1][:, 0, ACTION:] -= 2.0
    for name, net, index, outputs, parameter in _sb3_parameters(model):
        parameter.data.copy_(_own(state[name], net, index, outputs))
    batches = [make_batch(1, size, step) for step in range(4)]
    noises = [half for b in batches for half in b.noise[0].split(size)]
    samples = [
        ReplayBufferSamples(
            b.obs[0], b.action[0], b.next_obs[0], (b.discount[0] == 0).float().unsqueeze(1), b.reward[0].unsqueeze(1)
        )
        for b in batches
    ]
    monkeypatch.setattr(model.replay_buffer, "sample", lambda *_, **__: samples.pop(0))
    monkeypatch.setattr(torch.distributions.normal, "_standard_normal", lambda shape, dtype, device: noises.pop(0))

    nets = SACNetworks(ACTOR, CRITIC, state)
    for batch in batches:
        step = update(nets, batch, CONFIG, -float(ACTION))
        model.train(1, size)
        logged = model.logger.name_to_value
        assert float(step.alpha) == pytest.approx(logged["train/ent_coef"], abs=1e-6)
        assert float(step.value_loss) == pytest.approx(logged["train/critic_loss"], rel=1e-5)
        assert float(step.actor_loss) == pytest.approx(logged["train/actor_loss"], rel=1e-5, abs=1e-5)
    assert model.log_ent_coef is not None
    assert float(nets.log_alpha) == pytest.approx(float(model.log_ent_coef), abs=1e-6)
    adam = {"actor": model.actor.optimizer.state, "critic": model.critic.optimizer.state}
    for name, net, index, outputs, parameter in _sb3_parameters(model):
        found = _own(nets.state[name], net, index, outputs)
        torch.testing.assert_close(found, parameter.data, rtol=1e-5, atol=1e-5)
        if name == "target":
            continue
        for own, theirs in (("first", "exp_avg"), ("second", "exp_avg_sq")):
            found = _own(nets.state[f"adam.{name}.{own}"], net, index, outputs)
            torch.testing.assert_close(found, adam[name][parameter][theirs], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("size", "hidden"), [(40, (24, 16)), (8, (8,)), (256, (256, 256))])
def test_crowd_changes_no_bit(size: int, hidden: tuple[int, ...]) -> None:
    """All that a member learns is bit for bit the same alone and among others."""
    actor, critic = MLPForm((7, *hidden, 6), "relu"), MLPForm((10, *hidden, 1), "relu")
    crowd = SACNetworks(actor, critic, make_state(5, actor, critic))
    batches = [make_batch(5, size, step, 7, 3) for step in range(3)]
    together = [update(crowd, batch, CONFIG, -3.0) for batch in batches]
    for m in (0, 3):
        start = {name: rows[m : m + 1].clone() for name, rows in make_state(5, actor, critic).items()}
        alone = SACNetworks(actor, critic, start)
        for batch, expected in zip(batches, together, strict=True):
            own = Batch(**{f.name: getattr(batch, f.name)[m : m + 1].clone() for f in dataclasses.fields(batch)})
            step = update(alone, own, CONFIG, -3.0)
            assert all(torch.equal(a[0], b[m]) for a, b in zip(step, expected, strict=True))
        assert all(torch.equal(rows[0], crowd.state[name][m]) for name, rows in alone.state.items())


def test_lost_steps_change_nothing() -> None:
    """A transition without weight leaves no trace, whatever reward and observation it claims to have led to."""
    ends = []
    for nonsense in (0.0, 1e3):
        nets, batch = SACNetworks(ACTOR, CRITIC, make_state(1)), make_batch(1, 32, 0)
        batch.weight[0, 7] = 0.0
        batch.reward[0, 7] = nonsense
        batch.both[0, 32 + 7] = nonsense
        batch.action[0, 7] = nonsense / 1e3
        update(nets, batch, CONFIG, -2.0)
        ends.append(nets.state)
    assert all(torch.equal(rows, ends[1][name]) for name, rows in ends[0].items())
    assert not torch.equal(ends[0]["actor"], make_state(1)["actor"])


def _own(rows: Tensor, net: int, index: int, outputs: slice) -> Tensor:
    """Return outputs of a parameter (the ``index``-th) of the first member's ``net``-th network, as torch has it."""
    form = CRITIC if rows.ndim == 3 else ACTOR
    value = form.views(rows[0].reshape(-1, form.length)[net : net + 1])[index][0][:, outputs]
    return value[0] if index % 2 else value.T


def _sb3_parameters(model: Any) -> list[tuple[str, int, int, slice, torch.nn.Parameter]]:
    """Return SB3's parameters with where ours lie: tensor, network, number of the parameter, and its outputs."""
    found = []
    every, last = slice(None), 2 * len(HIDDEN)
    for i, layer in enumerate(m for m in model.actor.latent_pi if isinstance(m, torch.nn.Linear)):
        found += [("actor", 0, 2 * i, every, layer.weight), ("actor", 0, 2 * i + 1, every, layer.bias)]
    for layer, outputs in ((model.actor.mu, slice(ACTION)), (model.actor.log_std, slice(ACTION, None))):
        found += [("actor", 0, last, outputs, layer.weight), ("actor", 0, last + 1, outputs, layer.bias)]
    for name, critic in (("critic", model.critic), ("target", model.critic_target)):
        for net, module in enumerate(critic.q_networks):
            for i, layer in enumerate(m for m in module if isinstance(m, torch.nn.Linear)):
                found += [(name, net, 2 * i, every, layer.weight), (name, net, 2 * i + 1, every, layer.bias)]
    return found
