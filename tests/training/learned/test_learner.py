"""Learners: what they learn on their own, their settings, and that all they are lies in their memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError, UnknownNameError
from envreward.rewards.sequence import Flow
from envreward.training.learned import HeronConfig, LareConfig, Learner, make_learner, parse_learning
from envreward.training.learned.learner import draw_steps

LENGTH = 20


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Learn with one torch thread, as shards do."""
    torch.set_num_threads(1)


def make(text: str, horizon: int = LENGTH, seed: int = 0) -> Learner:
    return make_learner(parse_learning(text), horizon, torch.Generator().manual_seed(seed))


def episodes(seed: int, worlds: int = 8) -> tuple[Tensor, Flow]:
    """Return random factors of whole episodes, ``[T, N, 2]``."""
    factors = torch.rand(LENGTH, worlds, 2, generator=torch.Generator().manual_seed(seed))
    first, last = torch.zeros(2, LENGTH, worlds, dtype=torch.bool)
    first[0], last[-1] = True, True
    return factors, Flow(first, last, torch.zeros_like(last))


def at_the_end(steps: Tensor) -> Tensor:
    """Return a sparse reward that pays all of an episode's reward in its last step."""
    sparse = torch.zeros_like(steps)
    sparse[-1] = steps.sum(0)
    return sparse


@pytest.mark.parametrize("text", ["lare", "lare:loss=rd", "lare:samples=8"])
def test_lare_finds_out_what_each_step_is_worth(text: str) -> None:
    """From the return at the end alone, the reward of steps correlates with what they were paid for, and adds up."""
    separator = "," if ":" in text else ":"
    learner = make(f"{text}{separator}hidden=32,updates_per_step=0.25,learning_rate=0.003")
    for seed in range(22):
        factors, flow = episodes(seed)
        worth = (factors[..., 0] > 0.7).float()
        rewards = learner.rewards(factors, at_the_end(worth), flow)
    joint = torch.stack((rewards.flatten(), worth.flatten()))
    assert float(torch.corrcoef(joint)[0, 1]) > 0.9
    error = (rewards.sum(0) - worth.sum(0)).abs().mean()
    assert float(error) < 0.15 * float(worth.sum(0).mean())


@pytest.mark.parametrize("pairs", ["episodes", "steps"])
def test_heron_puts_the_first_factor_first(pairs: str) -> None:
    """What is better in the first factor is worth more whatever the second says; within its margin, that counts."""
    learner = make(f"heron:pairs={pairs},margin=0.2,hidden=32,updates_per_step=0.25")
    for seed in range(22):
        factors, flow = episodes(seed)
        learner.rewards(factors, torch.zeros(LENGTH, 8), flow)
    asked = torch.tensor([[0.9, 0.0], [0.1, 1.0], [0.5, 0.9], [0.5, 0.1]])
    high, low, more, less = learner._network(asked).tolist()
    assert high > low and more > less


def test_heron_learns_nothing_from_a_sparse_reward() -> None:
    """Only the factors and their order decide."""
    factors, flow = episodes(0)
    one, two = make("heron:hidden=8"), make("heron:hidden=8")
    paid = torch.rand(LENGTH, 8)
    assert torch.equal(one.rewards(factors, paid, flow), two.rewards(factors, torch.zeros(LENGTH, 8), flow))


@pytest.mark.parametrize(
    "text", ["lare:hidden=8", "lare:hidden=8,loss=rd", "heron:hidden=8", "heron:hidden=8,pairs=steps"]
)
def test_all_that_a_learner_is_lies_in_its_memory(text: str) -> None:
    """Another one that is given the same memory goes on bit for bit; another seed learns another reward."""
    going, twin, other = make(text), make(text), make(text, seed=1)
    for seed in range(4):
        factors, flow = episodes(seed)
        expected = going.rewards(factors, at_the_end(factors[..., 0]), flow)
        assert not torch.equal(expected, other.rewards(factors, at_the_end(factors[..., 0]), flow))
        assert torch.equal(expected, twin.rewards(factors, at_the_end(factors[..., 0]), flow))
        taken = {name: values.clone() for name, values in twin.memory.items()}
        twin = make(text, seed=2)
        twin.memory.update(taken)


def test_updates_do_not_depend_on_how_steps_are_cut() -> None:
    """One step at a time, as Stable-Baselines3 does, as many gradient steps are taken as with whole rollouts."""
    factors, flow = episodes(0)
    whole, single = make("lare:hidden=8"), make("lare:hidden=8")
    for _ in range(3):
        whole.rewards(factors, at_the_end(factors[..., 0]), flow)
        paid = at_the_end(factors[..., 0])
        for t in range(LENGTH):
            part = slice(t, t + 1)
            single.rewards(factors[part], paid[part], flow.each(lambda flags, part=part: flags[part]))
    assert float(whole.memory["adam.steps"]) == 15.0  # 480 steps, one in 32
    assert float(whole.memory["owed"]) == float(single.memory["owed"]) == 0.0
    assert float(single.memory["adam.steps"]) == 11.0  # the first episode had to end first: its 160 steps came before


def test_a_reward_that_overflows_is_found() -> None:
    """Factors beyond all bounds end the member with what to do about it."""
    learner = make("lare:hidden=8,standardize=False")
    factors, flow = episodes(0)
    with pytest.raises(RewardRuntimeError, match="not finite") as info:
        learner.rewards(factors * 1e38 * 1e3, torch.zeros(LENGTH, 8), flow)
    assert "tanh" in info.value.fix


def test_draw_steps() -> None:
    """No step twice, none beyond its episode, all of a short one."""
    drawn = draw_steps(torch.tensor([3, 10]), 4, torch.Generator().manual_seed(0))
    assert drawn.kept.tolist() == [[True, True, True, False], [True] * 4]
    assert sorted(drawn.steps[0][:3].tolist()) == [0, 1, 2]
    assert len({*drawn.steps[1].tolist()}) == 4 and int(drawn.steps.max()) < 10


def test_settings_in_one_word() -> None:
    """A name, and settings behind a colon, each read as its kind."""
    assert parse_learning("lare") == LareConfig()
    assert parse_learning("lare:loss=rd,standardize=False,samples=32") == LareConfig(
        loss="rd", standardize=False, samples=32
    )
    assert parse_learning("heron:pairs=steps,margin=0") == HeronConfig(pairs="steps", margin=0.0)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("laree", UnknownNameError, "lare"),
        ("heron:margins=1", UnknownNameError, "margin"),
        ("heron:pairs=step", UnknownNameError, "steps"),
        ("lare:samples=many", ConfigError, "must be a number"),
        ("lare:samples=0", ConfigError, "at least 1"),
        ("lare:standardize=yes", ConfigError, "True or False"),
        ("heron:margin=-1", ConfigError, "at least 0"),
        ("lare:learning_rate=nan", ConfigError, "at least"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, error: type[Exception], words: str) -> None:
    """Wrong names list near matches, wrong values say what is possible."""
    read: Callable[[str], object] = parse_learning
    with pytest.raises(error, match=words):
        read(text)
