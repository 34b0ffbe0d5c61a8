"""Reward machines written as programs: they pay what the machine pays, and read like what a person wrote."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError, RewardRejectedError, UnknownNameError
from envreward.fields import Field
from envreward.rewards import Flow
from envreward.rewards.machines import RewardMachine, Transition, machine_program, parse_machine
from envreward.rewards.program import RewardProgram
from envreward.rewards.remembering import RememberingProgram
from envreward.rewards.trial import run_trial

FIELDS = {
    "height": Field("Height.", unit="m"),
    "hand": Field("Where the hand is.", shape=(3,), unit="m"),
    "cup": Field("Where the cup is.", shape=(3,), unit="m"),
    "forces": Field("Forces.", shape=(2, 2), unit="N"),
    "touching": Field("Whether it touches.", dtype="bool"),
    "feet": Field("Whether each foot touches.", shape=(2,), dtype="bool"),
    "count": Field("How often.", dtype="int64"),
    "state": Field("A name that the program uses itself."),
    "is_p0": Field("A name that it would like to use."),
    "action": Field("Push.", shape=(2,), role="action"),
    "success": Field("Done.", dtype="bool", private=True),
}
FACTS = (
    "height > 0", "height != 1", "prev_height <= -1", "hand[2] >= 1", "hand[-1] == 0", "|hand| < 2.2360679774997896",
    "|hand - cup| <= 3", "|prev_hand - hand| > 2", "|forces| >= 2", "|height| > 1", "|height - prev_height| < 2",
    "|touching - prev_touching| > 0.5", "touching", "touching == 1", "feet[1]", "feet[0] < 0.5", "count", "count >= 1",
    "count", "|count| != 1", "|action| < 1.5", "state > 0", "is_p0", "is_p0 < 0.1",
)  # fmt: skip
LIFT = """
predicate near: |hand - cup| < 0.03
predicate held: touching
predicate high: cup[2] >= 0.2
start searching
end done
searching -> holding: near & held, reward 1
holding -> searching: !held | !(near | high), reward -1
holding -> holding: always & !high
holding -> done: always, reward 5
"""
LIFT_PROGRAM = '''\
import torch
from torch import Tensor


def compute_reward(
    hand: Tensor,
    cup: Tensor,
    touching: Tensor,
    memory: Tensor,
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Pays for the transitions of a reward machine: of those from its state, for the first that holds."""
    is_near = torch.linalg.vector_norm(hand - cup, dim=-1) < 0.03
    is_held = touching
    is_high = cup[:, 2] >= 0.2

    # The machine's state, first column of the memory: 0 searching, 1 holding, 2 done (end).
    state = memory[:, 0]
    entered, paid = state, torch.zeros_like(state)
    free = state >= 0  # where no transition is taken yet
    # searching -> holding: near & held, reward 1
    searching_to_holding = free & (state == 0) & is_near & is_held
    entered = torch.where(searching_to_holding, 1.0, entered)
    paid = torch.where(searching_to_holding, 1.0, paid)
    free = free & ~searching_to_holding
    # holding -> searching: !held | !(near | high), reward -1
    holding_to_searching = free & (state == 1) & (~is_held | ~(is_near | is_high))
    entered = torch.where(holding_to_searching, 0.0, entered)
    paid = torch.where(holding_to_searching, -1.0, paid)
    free = free & ~holding_to_searching
    # holding -> holding: always & !high
    holding_to_holding = free & (state == 1) & ~is_high
    entered = torch.where(holding_to_holding, 1.0, entered)
    free = free & ~holding_to_holding
    # holding -> done: always, reward 5
    holding_to_done = free & (state == 1)
    entered = torch.where(holding_to_done, 2.0, entered)
    paid = torch.where(holding_to_done, 5.0, paid)
    free = free & ~holding_to_done

    parts = {
        "searching_to_holding": torch.where(searching_to_holding, paid, 0.0),
        "holding_to_searching": torch.where(holding_to_searching, paid, 0.0),
        "holding_to_done": torch.where(holding_to_done, paid, 0.0),
    }
    remembered = memory.clone()
    remembered[:, 0] = entered
    return paid, parts, remembered
'''


def test_the_program_reads_like_one_that_a_person_wrote() -> None:
    """Golden text: one line per predicate, a few per transition with the machine's own words above them."""
    assert machine_program(parse_machine(LIFT, FIELDS), FIELDS) == LIFT_PROGRAM


def formulas(names: list[str]) -> st.SearchStrategy[str]:
    """Formulas over predicates, some of them nested."""
    return st.recursive(
        st.sampled_from([*names, "always"]),
        lambda part: st.one_of(
            part.map(lambda f: f"!({f})"),
            st.tuples(part, part).map(lambda two: f"({two[0]} & {two[1]})"),
            st.tuples(part, part).map(lambda two: f"{two[0]} | {two[1]}"),
        ),
        max_leaves=5,
    )


@st.composite
def machines(draw: st.DrawFn) -> RewardMachine:
    """Machines whose states can all be reached, with any predicates, formulas and rewards."""
    facts = draw(st.lists(st.sampled_from(FACTS), min_size=1, max_size=5))
    predicates = {f"p{i}": fact for i, fact in enumerate(facts)}
    states = [f"u{i}" for i in range(draw(st.integers(1, 4)))]
    pairs = [*itertools.pairwise(states)]
    pairs += draw(st.lists(st.tuples(st.sampled_from(states), st.sampled_from(states)), min_size=1, max_size=6))
    before: dict[str, list[str]] = {}
    transitions = []
    for source, target in draw(st.permutations(pairs)):
        when = draw(formulas([*predicates]).filter(lambda text: text != "always"))
        if when not in before.setdefault(source, []):  # else it is never taken, and the machine refused
            before[source].append(when)
            reward = draw(st.sampled_from([0.0, 1.0, -0.1, 2.5, 1 / 3, 1e-7]))
            transitions.append(Transition(source=source, target=target, when=when, reward=reward))
    try:
        return RewardMachine(predicates=predicates, transitions=tuple(transitions), start="u0")
    except ConfigError:
        return RewardMachine(predicates=predicates, transitions=(Transition(source="u0", target="u0"),), start="u0")


def random_states(steps: int, worlds: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Small whole numbers, so that thresholds are met exactly, and flags."""
    found = {}
    for name, field in FIELDS.items():
        for key in (name, f"prev_{name}"):
            values = torch.randint(-2, 3, (steps, worlds, *field.shape), generator=generator)
            found[key] = values > 0 if field.dtype == "bool" else values if field.dtype == "int64" else values.float()
    return found


@given(machine=machines(), seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_a_program_pays_what_the_machine_pays(machine: RewardMachine, seed: int) -> None:
    """Step by step and world by world the same, over episodes that begin, terminate and are cut off anywhere."""
    generator = torch.Generator().manual_seed(seed)
    steps, worlds = 12, 16
    everything = random_states(steps, worlds, generator)
    state = {name: everything[name] for name in machine.parameters}
    last = torch.rand(steps, worlds, generator=generator) < 0.2
    terminated = last & (torch.rand(steps, worlds, generator=generator) < 0.5)
    first = torch.cat([torch.ones(1, worlds, dtype=torch.bool), last[:-1]])
    flow = Flow(first, terminated, last & ~terminated)
    program = RememberingProgram(RewardProgram.from_source(machine_program(machine, FIELDS), FIELDS))
    assert program.parameters == machine.parameters
    remembered, memory = program.new_memory(worlds), machine.new_memory(worlds)
    found, expected = program.over(flow, remembered, **state), machine.over(flow, memory, **state)
    torch.testing.assert_close(found.total, expected.total, rtol=0, atol=0)
    assert torch.equal(remembered["memory"][:, 0].long(), memory["state"])
    paid = sum(found.components.values(), torch.zeros(steps, worlds))
    torch.testing.assert_close(paid, found.total, rtol=0, atol=0)


def test_it_passes_the_trial_of_programs() -> None:
    """In its locked-up process it is pure, gives each world its own, and shows what each transition pays."""
    torch.set_num_threads(1)
    everything = random_states(32, 8, torch.Generator().manual_seed(0))
    program = RewardProgram.from_source(machine_program(parse_machine(LIFT, FIELDS), FIELDS), FIELDS)
    states = {name: everything[name].flatten(0, 1) for name in program.parameters}
    first = torch.zeros(32, 8, dtype=torch.bool)
    first[0] = True
    trial = run_trial(program, FIELDS, states, first=first)
    assert trial.components == ("searching_to_holding", "holding_to_searching", "holding_to_done")


def machine(*transitions: Transition, predicates: Mapping[str, str] | None = None) -> RewardMachine:
    return RewardMachine(
        predicates={"p": "height > 0"} if predicates is None else predicates,
        transitions=transitions,
        start=transitions[0].source,
    )


def test_names_that_python_would_not_take() -> None:
    """Any names give a program: keywords, names twice, leading underscores, letters of other alphabets."""
    predicates = {"if": "height > 0", "größe": "height > 1", "gr__e": "height > 2", "__x": "height > 3"}
    made = machine(
        Transition(source="__u", target="in", when="if & größe & gr__e & __x", reward=1.0),
        Transition(source="__u", target="in", when="größe", reward=2.0),
        Transition(source="in", target="__u", when="gr__e", reward=3.0),
        predicates=predicates,
    )
    program = RewardProgram.from_source(machine_program(made, FIELDS), FIELDS)
    height = torch.tensor([0.5, 1.5, 9.0])
    step = program.step(torch.zeros(3, 16), height=height)
    assert step.reward.total.tolist() == [0.0, 2.0, 1.0] and step.memory[:, 0].tolist() == [0.0, 1.0, 1.0]
    assert [*step.reward.components] == ["u_to_in", "u_to_in_2", "in_to___u"]


def test_more_transitions_than_components() -> None:
    """Where a program cannot name each, it names their sum."""
    many = [Transition(source=f"u{i}", target=f"u{i + 1}", when="p", reward=i + 1.0) for i in range(40)]
    program = RewardProgram.from_source(machine_program(machine(*many), FIELDS), FIELDS)
    step = program.step(torch.full((1, 16), 7.0), height=torch.ones(1))
    assert step.reward.total.item() == 8.0 and [*step.reward.components] == ["machine"]


def test_machines_that_give_no_program() -> None:
    """Shaping, no field, a private or unknown one, and too much of everything are refused in plain words."""
    step = Transition(source="u", target="u", when="p", reward=1.0)
    shaped = RewardMachine(predicates={"p": "height > 0"}, transitions=(step,), start="u", shaping="value")
    with pytest.raises(ConfigError, match="where an episode terminates"):
        machine_program(shaped, FIELDS)
    with pytest.raises(RewardRejectedError, match="reads no field"):
        machine_program(machine(Transition(source="u", target="u", reward=1.0), predicates={}), FIELDS)
    with pytest.raises(RewardRejectedError, match="`success` is not a field"):
        machine_program(machine(step, predicates={"p": "success"}), FIELDS)
    with pytest.raises(UnknownNameError, match="did you mean 'height'"):
        machine_program(machine(step, predicates={"p": "heigt > 0"}), FIELDS)
    many = [Transition(source=f"u{i}", target=f"u{i + 1}", when="p") for i in range(300)]
    with pytest.raises(RewardRejectedError, match="the machine gives no program"):
        machine_program(machine(*many), FIELDS)


def test_a_formula_on_several_lines_stays_a_comment() -> None:
    """What was given from Python with line breaks cannot slip code into the program."""
    made = machine(Transition(source="u", target="v\nimport os", when="p\n& p", reward=1.0))
    source = machine_program(made, FIELDS)
    assert "\nimport os" not in source and RewardProgram.from_source(source, FIELDS).parameters == ("height",)
