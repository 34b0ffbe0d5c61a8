"""Reward machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from counter_worlds import Counter, CounterTask
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError
from envreward.rewards import Flow
from envreward.rewards.machines import RewardMachine, Transition
from envreward.rewards.machines.machine import Shaping
from envreward.world_vector_env import WorldVectorEnv
from envreward.worlds import EachWorld

COFFEE = RewardMachine(  # bring coffee to the office without stepping on a decoration
    predicates={"coffee": "coffee", "office": "office", "broken": "broken"},
    transitions=(
        Transition(source="empty", target="failed", when="broken"),
        Transition(source="empty", target="delivered", when="coffee & office", reward=1.0),
        Transition(source="empty", target="carrying", when="coffee"),
        Transition(source="carrying", target="failed", when="broken"),
        Transition(source="carrying", target="delivered", when="office", reward=1.0),
    ),
    start="empty",
    ends=("failed", "delivered"),
)


def flow_of(terminated: list[int]) -> Flow:
    ended = torch.tensor(terminated, dtype=torch.bool).unsqueeze(1)
    return Flow(torch.cat([torch.ones(1, 1, dtype=torch.bool), ended[:-1]]), ended, torch.zeros_like(ended))


def flags(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.bool).unsqueeze(1)


def test_coffee_worked_by_hand() -> None:
    """Empty, fetched, still carrying, delivered, over; a new episode, coffee in the office at once; a broken vase."""
    output = COFFEE.over(
        flow_of([0, 0, 0, 0, 1, 1, 0, 0]),
        COFFEE.new_memory(1),
        coffee=flags(0, 1, 1, 0, 1, 1, 0, 1),
        office=flags(1, 0, 0, 1, 1, 1, 0, 1),
        broken=flags(0, 0, 0, 0, 0, 0, 1, 0),
    )
    assert output.total[:, 0].tolist() == [0, 0, 0, 1, 0, 1, 0, 0]
    assert COFFEE.states == ("empty", "failed", "delivered", "carrying")
    assert output.components["machine_state"][:, 0].tolist() == [0, 3, 3, 2, 2, 2, 1, 1]


def test_the_first_transition_that_holds_is_taken() -> None:
    """Order decides; and where nothing holds the machine stays and pays nothing."""
    machine = RewardMachine(
        predicates={"a": "a", "b": "b"},
        transitions=(
            Transition(source="u", target="v", when="a", reward=1.0),
            Transition(source="u", target="w", when="b", reward=2.0),
            Transition(source="v", target="u", reward=-1.0),
            Transition(source="w", target="w", when="a", reward=0.5),
        ),
        start="u",
    )
    output = machine.over(flow_of([0] * 5), machine.new_memory(1), a=flags(1, 0, 0, 1, 0), b=flags(1, 0, 1, 0, 0))
    assert output.total[:, 0].tolist() == [1.0, -1.0, 2.0, 0.5, 0.0]


CHAIN = (
    Transition(source="a", target="b"),
    Transition(source="b", target="c"),
    Transition(source="c", target="d", reward=8.0),
)


def test_potentials_worked_by_hand() -> None:
    """Discount 0.9: delivering pays 1 from both states, so both are worth 1; ends nothing; a chain fades."""
    machine = RewardMachine(predicates={}, transitions=CHAIN, start="a", ends=("d",), value_gamma=0.5)
    assert dict(machine.potentials) == pytest.approx({"a": 0.5 * (0.5 * 8), "b": 0.5 * 8, "c": 8.0, "d": 0.0})
    assert dict(COFFEE.potentials) == {"empty": 1.0, "failed": 0.0, "delivered": 0.0, "carrying": 1.0}


def test_shaping_worked_by_hand() -> None:
    """gamma V(u') - V(u), V zero at the end; the negated potentials of the released code turn the signs round."""
    machine = dict(predicates={}, transitions=CHAIN, start="a", ends=("d",), value_gamma=0.5, gamma=0.5)
    for shaping, sign in (("value", 1), ("negated", -1)):
        reward = RewardMachine(**machine, shaping=shaping)  # type: ignore[arg-type]
        output = reward.over(flow_of([0] * 4), reward.new_memory(1))
        expected = [0.5 * 4 - 2, 0.5 * 8 - 4, 0 - 8, 0]
        assert output.components["shaping"][:, 0].tolist() == [sign * x for x in expected]
        assert output.total[:, 0].tolist() == [sign * x + paid for x, paid in zip(expected, [0, 0, 8, 0], strict=True)]
    # An episode that terminates in c leaves V(c) behind.
    reward = RewardMachine(**machine, shaping="value")  # type: ignore[arg-type]
    shaped = reward.over(flow_of([0, 1]), reward.new_memory(1)).components["shaping"][:, 0].tolist()
    assert shaped == [0.5 * 4 - 2, 0 - 4]


class Target(Counter):
    """A counter whose target is given."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self.given = target

    def reset(self, seed: int) -> None:
        self.value, self.target = 0, self.given


class TargetsTask(CounterTask):
    """Targets 2, 3, 4, ... in worlds side by side."""

    def open(self, num_worlds: int) -> EachWorld[Any]:
        return EachWorld([Target(2 + i) for i in range(num_worlds)])


def test_in_an_environment() -> None:
    """Paid by `step`, each world with its own state, which begins anew with each episode.

    One pays for passing 2, then for the target, which ends the episode; the first world does both at once.
    """
    machine = RewardMachine(
        predicates={"two": "value >= 2", "there": "|value - target| < 0.5"},
        transitions=(
            Transition(source="low", target="done", when="two & there", reward=5.0),
            Transition(source="low", target="high", when="two", reward=1.0),
            Transition(source="high", target="done", when="there", reward=3.0),
        ),
        start="low",
        ends=("done",),
    )
    env = WorldVectorEnv(TargetsTask(), 3, reward=machine)
    env.reset(seed=5)
    rewards = [env.step(torch.ones(3, dtype=torch.int64))[1].tolist() for _ in range(6)]
    env.close()
    assert [*zip(*rewards, strict=True)] == [(0, 5, 0, 5, 0, 5), (0, 1, 3, 0, 1, 3), (0, 1, 0, 3, 0, 1)]


def optimal(paid: np.ndarray, leads_to: np.ndarray, ended: np.ndarray, gamma: float) -> np.ndarray:
    """Optimal action values ``[X, A]`` of a deterministic process over X joint states, by value iteration."""
    values = np.zeros(len(paid))
    for _ in range(3000):
        q = paid + gamma * np.where(ended, 0.0, values[leads_to])
        if np.array_equal(q.max(1), values):
            break
        values = q.max(1)
    return q


@given(
    seed=st.integers(0, 2**32),
    states=st.integers(2, 5),
    shaping=st.sampled_from(["value", "negated"]),
    gamma=st.floats(0.3, 0.95),
)
@settings(max_examples=40, deadline=None)
def test_shaping_changes_no_optimal_policy(seed: int, states: int, shaping: Shaping, gamma: float) -> None:
    """Over joint states of random worlds and random machines, the best actions stay the best.

    Action values move by exactly the potential of the machine's state; some worlds' states terminate the episode.
    """
    rng = np.random.default_rng(seed)
    actions, names = 3, ["u0", "u1", "u2", "u3"]
    transitions = [
        Transition(source=u, target=names[(i + 1) % 4], when=f"at{rng.integers(states)}", reward=float(rng.normal()))
        for i, u in enumerate(names[:3])
    ]
    transitions += [
        Transition(source="u2", target="u0", when="!at0", reward=float(rng.normal())),
        Transition(source="u1", target="u1", when="at0 | at1", reward=float(rng.normal())),
    ]
    predicates = {f"at{s}": f"place == {s}" for s in range(states)}
    machine = dict(predicates=predicates, transitions=tuple(transitions), start="u0", ends=("u3",), gamma=gamma)
    plain = RewardMachine(**machine)  # type: ignore[arg-type]
    shaped = RewardMachine(**machine, shaping=shaping)  # type: ignore[arg-type]
    follows, terminal = rng.integers(states, size=(states, actions)), rng.random(states) < 0.3
    # One step from every joint state (world s, machine u) with every action, side by side.
    s, u, a = (grid.ravel() for grid in np.meshgrid(range(states), range(4), range(actions), indexing="ij"))
    place = torch.from_numpy(follows[s, a]).unsqueeze(0)
    ended = torch.from_numpy(terminal[follows[s, a]]).unsqueeze(0)
    flow = Flow(torch.zeros_like(ended), ended, torch.zeros_like(ended))
    q = []
    for reward in (plain, shaped):
        memory = {"state": torch.from_numpy(u.copy())}
        paid = reward.over(flow, memory, place=place).total[0].double().numpy()
        joint = follows[s, a] * 4 + memory["state"].numpy()
        size = (states * 4, actions)
        q.append(optimal(paid.reshape(size), joint.reshape(size), ended.numpy().reshape(size), gamma))
    sign = 1.0 if shaping == "value" else -1.0
    phi = sign * np.array([shaped.potentials[name] for name in shaped.states])
    number = [shaped.states.index(name) for name in names]
    assert number == [0, 1, 2, 3]
    np.testing.assert_allclose(q[1], q[0] - np.tile(phi, states)[:, None], atol=1e-5)
    ranked = np.sort(q[0], 1)
    clear = ranked[:, -1] - ranked[:, -2] > 1e-3  # beside these, rounding to float32 decides between equals
    np.testing.assert_array_equal(q[0].argmax(1)[clear], q[1].argmax(1)[clear])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transitions": ()}, "at least one transition"),
        ({"transitions": (Transition(source="u", target="v", when="x"),)}, "u -> v: there is no predicate 'x'"),
        ({"transitions": (Transition(source="u", target="v", when="a &"),)}, "ends where a name"),
        ({"transitions": (Transition(source="u", target="v", reward=float("inf")),)}, "reward must be finite"),
        ({"transitions": (Transition(source="v", target="u"),)}, "no transition leads to 'v' from the start, 'u'"),
        ({"ends": ("u",)}, "u -> v: 'u' is an end"),
        ({"ends": ("w",)}, "no transition leads to the end 'w'"),
        ({"transitions": (Transition(source="u", target="v"), Transition(source="u", target="u"))}, "never taken"),
        ({"predicates": {"a": "a >"}}, "not of the form"),
        ({"predicates": {"always": "a"}}, "cannot be called 'always'"),
        ({"shaping": "potential"}, "'none', 'value' or 'negated'"),
        ({"value_gamma": 1.0}, "value_gamma within"),
    ],
)
def test_machines_that_cannot_work(change: dict[str, Any], message: str) -> None:
    """Mistakes are found when the machine is made, not in the middle of a training."""
    good: dict[str, Any] = dict(
        predicates={"a": "a"}, transitions=(Transition(source="u", target="v", when="a"),), start="u"
    )
    RewardMachine(**good)
    with pytest.raises(ConfigError) as caught:
        RewardMachine(**{**good, **change})
    assert message in str(caught.value)
