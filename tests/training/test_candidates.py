"""Policies that choose among candidates: gradients as autograd's, no crowd effect, lost steps, learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from counter_worlds import Counter, CounterTask
from torch import Tensor

from envreward.episodes import EpisodeTracker
from envreward.errors import ConfigError, InfraError
from envreward.evaluation import evaluate, play
from envreward.rewards.function import RewardOutput
from envreward.rewards.sequence import Flow, Memory
from envreward.training.candidate_networks import CandidateActorCritic, make_networks, split
from envreward.training.config import Member, PPOConfig, TrainingJob
from envreward.training.heads import CategoricalHead
from envreward.training.metrics import read_rows
from envreward.training.networks import NetworkSpec, initial_weights, named_weights
from envreward.training.policy_io import Policy, load_policy, network_form
from envreward.training.population import Population
from envreward.training.ppo_learner import network_spec
from envreward.training.reward_source import TrustedSource
from envreward.training.runner import run_training
from envreward.world_vector_env import WorldVectorEnv
from envreward.worlds import CandidateShape, EachWorld, WorldBatch

COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"
SHAPE = CandidateShape(choices=5, features=4, context=3)


def make_spec(hidden: tuple[int, ...] = (32, 16), activation: Any = "tanh") -> NetworkSpec:
    return NetworkSpec(
        obs_size=SHAPE.size,
        action_size=5,
        hidden_sizes=hidden,
        activation=activation,
        head="categorical",
        candidates=SHAPE,
    )


def make_nets(spec: NetworkSpec, members: int) -> CandidateActorCritic:
    rows = []
    for i in range(members):
        generator = torch.Generator().manual_seed(i)
        rows.append(initial_weights(spec, 0.0, generator) + 0.1 * torch.randn(spec.size, generator=generator))
    nets = make_networks(spec, torch.stack(rows))
    assert isinstance(nets, CandidateActorCritic)
    return nets


def make_obs(members: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    obs = torch.randn(members, size, SHAPE.size, generator=generator)
    mask = torch.rand(members, size, SHAPE.choices, generator=generator) < 0.6
    mask[..., 0] = True
    obs[..., SHAPE.context : SHAPE.context + SHAPE.choices] = mask.to(torch.float32)
    return obs


def by_hand(spec: NetworkSpec, row: Tensor, obs: Tensor) -> tuple[Tensor, Tensor]:
    """Compute logits and values of one member in plain torch."""
    named = named_weights(spec, row)
    context, mask, rows = split(obs, SHAPE)
    act = {"tanh": torch.tanh, "relu": torch.relu, "elu": torch.nn.functional.elu}[spec.activation]
    x = torch.cat((rows, context.unsqueeze(-2).expand(*rows.shape[:-1], SHAPE.context)), -1)
    first = torch.cat((named["actor.0.weight"], named["actor.context.weight"]))
    x = act(x @ first + named["actor.0.bias"])
    value = act(context @ named["critic.0.weight"] + named["critic.0.bias"])
    for layer in range(1, len(spec.hidden_sizes) + 1):
        x = x @ named[f"actor.{layer}.weight"] + named[f"actor.{layer}.bias"]
        value = value @ named[f"critic.{layer}.weight"] + named[f"critic.{layer}.bias"]
        if layer < len(spec.hidden_sizes):
            x, value = act(x), act(value)
    return x.squeeze(-1).masked_fill(~mask, -1e9), value.squeeze(-1)


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
@pytest.mark.parametrize("hidden", [(32, 16), (8,)])
def test_forward_and_gradients_match_autograd(activation: str, hidden: tuple[int, ...]) -> None:
    """Logits, values and all gradients of a PPO-like loss are those of autograd on one concatenated first layer."""
    spec = make_spec(hidden, activation)
    nets, obs, head = make_nets(spec, 3), make_obs(3, 20), CategoricalHead(5)
    output = nets.forward(obs, keep=True)
    action = torch.zeros(3, 20, dtype=torch.int64)
    weight = torch.randn(3, 20, generator=torch.Generator().manual_seed(1))
    scored = head.score(nets, output.action, action)
    nets.backward(head.backward(nets, output.action, action, scored, weight, 0.3), 2 * output.value)
    for m in range(3):
        row = nets.weights[m].clone().requires_grad_()
        logits, value = by_hand(spec, row, obs[m])
        torch.testing.assert_close(output.action[m], logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(output.value[m], value, rtol=1e-5, atol=1e-5)
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1)
        loss = (weight[m] * log_p[:, 0]).sum() + 0.3 * entropy.mean() + value.square().sum()
        loss.backward()
        assert row.grad is not None
        torch.testing.assert_close(nets.gradients[m], row.grad, rtol=2e-4, atol=2e-5)


def test_excluded_candidates_are_never_chosen() -> None:
    """What the mask excludes has probability exactly zero, in sampling and in the greedy policy."""
    spec = make_spec()
    nets, obs, head = make_nets(spec, 2), make_obs(2, 200), CategoricalHead(5)
    _, mask, _ = split(obs, SHAPE)
    logits = nets.action(obs)
    assert logits.softmax(-1)[~mask].eq(0).all()
    noise = torch.stack([head.noise(1, 200, torch.Generator().manual_seed(i))[0] for i in range(2)])
    action = head.sample(nets, logits, noise)
    assert mask.gather(-1, action.unsqueeze(-1)).all()
    policy = Policy(network_form("x", spec, (SHAPE.size,), 10.0), named_weights(spec, nets.weights[0]))
    greedy = policy.act(obs[0])
    assert torch.equal(greedy, logits[0].argmax(-1))


def test_order_of_candidates_does_not_matter() -> None:
    """Swapping two candidates swaps their logits and changes nothing else."""
    nets, obs = make_nets(make_spec(), 1), make_obs(1, 6)
    context, mask, rows = split(obs, SHAPE)
    order = torch.tensor([3, 1, 4, 0, 2])
    shuffled = torch.cat((context, mask[..., order].float(), rows[..., order, :].flatten(-2)), -1)
    torch.testing.assert_close(nets.action(shuffled), nets.action(obs)[..., order])
    assert torch.equal(nets.value(shuffled), nets.value(obs))


def test_member_does_not_depend_on_its_crowd() -> None:
    """Outputs and gradients of a member are the same bits alone and among others."""
    spec, obs = make_spec((32, 32)), make_obs(4, 16)
    crowd = make_nets(spec, 4)
    alone = CandidateActorCritic(spec, crowd.weights[2:3].clone())
    for nets, seen in ((crowd, obs), (alone, obs[2:3])):
        output = nets.forward(seen, keep=True)
        nets.backward(output.action.masked_fill(output.action < -1e8, 0.0), output.value)
    assert torch.equal(crowd.gradients[2], alone.gradients[0])
    assert torch.equal(crowd.action(obs)[2], alone.action(obs[2:3])[0])


def test_choosing_needs_a_hidden_layer() -> None:
    """Networks that could not choose are refused."""
    with pytest.raises(ConfigError, match="hidden layers"):
        network_spec(CounterTask(), PPOConfig(hidden_sizes=()))


SMALL = PPOConfig(num_worlds=4, rollout_steps=32, minibatch_size=32, epochs=4, hidden_sizes=(16,), learning_rate=3e-3)


def make_job(members: int = 2, reward: str = "sparse", steps: int = 6_000) -> TrainingJob:
    named = tuple(Member(key=f"m{i}", group=f"m{i}", reward=reward, seed=i) for i in range(members))
    return TrainingJob(env_id=COUNTER, members=named, total_steps=steps, ppo=SMALL, tensorboard=False, processes=1)


def test_counting_is_learned_and_the_policy_is_saved(tmp_path: Path) -> None:
    """A population learns to count, and its policies, saved and loaded, do it in the clean room."""
    from envreward.registry import find

    results = run_training(make_job(), tmp_path, find("sandboxes", "process")())
    assert [r.status for r in results.values()] == ["trained", "trained"]
    folders = {key: tmp_path / "members" / key for key in results}
    assert load_policy(folders["m0"]).form.candidates == CandidateShape(2, 2, 3)
    scores = evaluate(COUNTER, folders, episodes=20, seed=0)
    assert min(score.success for score in scores.values()) > 0.9
    assert all(row.faults == 0 and row.reward_s is not None for row in read_rows(tmp_path))


class Faulty(CounterTask):
    """Every world's machinery fails at some of its actions."""

    every = 7

    def open(self, num_worlds: int) -> WorldBatch[object]:
        return EachWorld([Counter(tuple(range(self.every + i, 10_000, self.every))) for i in range(num_worlds)])


class Untouched:
    """A reward that shows which rows it was asked about."""

    parameters = ("value",)
    doc = "the counter"

    def new_memory(self, num_worlds: int) -> Memory:
        return {"seen": torch.zeros(num_worlds)}

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        value = state["value"]
        total = torch.empty_like(value)
        for t in range(len(value)):
            memory["seen"].masked_fill_(flow.first[t], 0.0)
            memory["seen"] += 1
            total[t] = memory["seen"]
        return RewardOutput(total, {"age": total})


def make_population(task: CounterTask, monkeypatch: pytest.MonkeyPatch, reward: Any = None) -> Population:
    import envreward.training.population as module

    monkeypatch.setattr(module, "make_vector_env", lambda env_id, n, **kwargs: WorldVectorEnv(task, n, **kwargs))
    job = make_job(2)
    capacity = SMALL.num_worlds * SMALL.rollout_steps
    sources = {m.key: TrustedSource(reward or task.sparse, task.fields, capacity, 4) for m in job.members}
    return Population(job, job.members, sources)


def test_lost_steps_are_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes lost to a fault count in no score, their last step has no weight, and the faults are counted."""
    population = make_population(Faulty(), monkeypatch)
    rollout = population._collect()
    assert rollout.faulted is not None
    lost = int(rollout.faulted.sum())
    assert 20 < lost < 60
    assert sum(map(len, rollout.success)) == int((rollout.ended & ~rollout.faulted).sum())
    batch, values = population._learner._prepare(rollout, torch.full((2, 32, 4), 5.0))
    assert batch.counts is not None and torch.equal(batch.counts == 0, rollout.faulted.flatten(1))
    faulted = rollout.faulted.flatten(1)
    torch.testing.assert_close(batch.advantage[faulted], torch.zeros(lost), atol=1e-6, rtol=0)
    torch.testing.assert_close(batch.target[faulted], values[faulted])
    rows, retired = population.train_once(0.0)
    assert not retired and sum(row.faults for row in rows) > 20


def test_lost_steps_leave_no_gradient() -> None:
    """A transition without weight changes no gradient, whatever its advantage and target say."""
    from envreward.training.ppo import Batch, minibatch_gradients

    spec = make_spec()
    config = replace(SMALL, normalize_advantage=False)
    obs, head = make_obs(1, 12), CategoricalHead(5)
    counts = torch.ones(1, 12)
    counts[0, 4] = 0.0
    gradients = []
    for nonsense in (0.0, 1e6):
        nets = make_nets(spec, 1)
        advantage, target = torch.linspace(-1, 1, 12)[None].clone(), torch.ones(1, 12)
        advantage[0, 4] = target[0, 4] = nonsense
        action = torch.zeros(1, 12, dtype=torch.int64)
        log_prob = head.score(nets, nets.action(obs), action).log_prob
        batch = Batch(obs=obs, action=action, log_prob=log_prob, advantage=advantage, target=target, counts=counts)
        minibatch_gradients(nets, head, batch, config)
        gradients.append(nets.gradients.clone())
    assert torch.equal(*gradients) and gradients[0].abs().sum() > 0


def test_broken_machinery_stops_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """When most steps are lost, training ends with the reason instead of learning from nothing."""

    class Dead(Faulty):
        every = 1

    with pytest.raises(InfraError, match=r"more than half.*the counter's spring broke"):
        make_population(Dead(), monkeypatch).train_once(0.0)


def test_evaluation_plays_lost_episodes_again_and_gives_up_on_dead_machinery() -> None:
    """A lost episode is replaced by another; a world that always fails ends the evaluation with an error."""
    nothing = torch.zeros(2, 16)
    tensors = {"actor.0.weight": nothing, "actor.0.bias": torch.zeros(16), "actor.context.weight": torch.zeros(3, 16)}
    tensors |= {"actor.1.weight": torch.zeros(16, 1), "actor.1.bias": torch.zeros(1)}
    form = network_form("counter", network_spec(CounterTask(), SMALL), (CandidateShape(2, 2, 3).size,), 10.0)

    class Once(CounterTask):
        def open(self, num_worlds: int) -> WorldBatch[object]:
            return EachWorld([Counter((3,)) for _ in range(num_worlds)])

    scores = play(Policy(form, tensors), WorldVectorEnv(Once(), 3, reward="none"), "m", seed=0)
    assert scores.episodes == 3 and scores.success == 0.0 and scores.episode_length == 12

    class Dead(Faulty):
        every = 1

    with pytest.raises(InfraError, match="failed 4 times"):
        play(Policy(form, tensors), WorldVectorEnv(Dead(), 3, reward="none"), "m", seed=0)


def test_tracker_marks_lost_episodes() -> None:
    """The episodes that end in a step say which of them were lost."""
    env = WorldVectorEnv(Faulty(), 4, reward="none")
    env.reset(seed=0)
    tracker, lost = EpisodeTracker(4), 0
    for _ in range(30):
        ended = tracker.update(env.advance(torch.zeros(4, dtype=torch.int64)))
        lost += 0 if ended is None else int(ended.faulted.sum())
    assert lost == sum(len(range(7 + i, 31, 7)) for i in range(4))


def test_reward_that_remembers_sees_rollouts_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reward's memory goes on from rollout to rollout, starts anew with each episode, and is saved with it."""
    population = make_population(CounterTask(), monkeypatch, Untouched())
    source = population._sources["m0"]
    ages = torch.zeros(4)
    for _ in range(3):
        rollout = population._collect()
        rewards = population._evaluate(rollout).total[0]
        for t in range(SMALL.rollout_steps):
            ages = torch.where(rollout.first[0, t], 1.0, ages + 1)
            assert torch.equal(rewards[t], ages)
        population._obs = rollout.next_obs
    saved = population.save()["m0"]
    assert torch.equal(saved["reward.sparse.seen"], ages) and torch.equal(source.memory["seen"], ages)
    opened = make_population(CounterTask(), monkeypatch, Untouched())
    resumed = Population(opened.job, opened.members, opened._sources, states=population.save(), updates=0)
    assert torch.equal(resumed._sources["m0"].memory["seen"], ages)


def test_flow_tells_termination_from_cutting_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards are told where episodes begin, end by themselves, and are cut off by the time limit."""
    population = make_population(CounterTask(), monkeypatch)
    rollout = population._collect()
    assert rollout.cutoffs and any(map(any, rollout.success))
    flow = rollout.flow(0)
    assert torch.equal(flow.last, rollout.ended[0]) and not (flow.terminated & flow.truncated).any()
    expected = torch.zeros_like(flow.truncated)
    for cut in rollout.cutoffs:
        expected[cut.t] = cut.truncated[0]
    assert torch.equal(flow.truncated, expected)
    assert flow.first[0].all() and torch.equal(flow.first[1:], flow.last[:-1])


def test_named_rewards_of_the_task_can_be_trained_on(tmp_path: Path) -> None:
    """A member's reward may be any that its task names; one that is neither named nor a file is refused."""
    from envreward.registry import find

    sandbox = find("sandboxes", "process")()
    task = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:shaped"
    job = replace(make_job(1, "potential", 500), env_id=task)
    (result,) = run_training(job, tmp_path / "a", sandbox).values()
    assert result.status == "trained"
    assert {"success", "shaping"} <= read_rows(tmp_path / "a")[-1].components.keys()
    with pytest.raises(ConfigError, match=r"reward program milestones of member m0 is not in"):
        run_training(replace(make_job(1, "milestones", 500), env_id=task), tmp_path / "b", sandbox)
