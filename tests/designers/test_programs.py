"""Genomes as programs: readable, within the rules, and read back from the source alone."""

from __future__ import annotations

import random

import pytest

from envreward import registry
from envreward.designers.evolve import Evolve
from envreward.designers.prior import Prior
from envreward.designers.programs import parse, render
from envreward.designers.terms import Genome, Readout, Term, readouts
from envreward.designers.variation import Vocabulary, alive_term, effort_term, goal_term
from envreward.fields import Field, public_fields
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Brief, Context

FIELDS = {
    "height": Field("Height of the base.", unit="m", role="position"),
    "speed": Field("Speed ahead.", unit="m/s", role="velocity"),
    "hand": Field("Where the hand is.", shape=(3,), unit="m", frame="world", role="position"),
    "cup": Field("Where the cup is.", shape=(3,), unit="m", frame="world", role="position"),
    "shelf": Field("Where the cup should go.", shape=(3,), unit="m", frame="world", role="position", fixed=True),
    "joints": Field("Joint angles.", shape=(3,), unit="rad", role="angle", names=("hip", "knee", "ankle")),
    "forces": Field("Contact forces.", shape=(2, 3), unit="N", role="force"),
    "touching": Field("Whether it touches.", dtype="bool", role="flag"),
    "action": Field("Torques.", shape=(3,), role="action"),
}
BRIEF = Brief(env_id="Toy", instruction="Go ahead.", fields=FIELDS, horizon=100, fitness_doc="metres")


def random_genome(rng: random.Random) -> Genome:
    vocabulary = Vocabulary(fields=FIELDS, prior=Prior.of(BRIEF))
    terms = [goal_term(vocabulary.draw(rng), vocabulary, rng, rng.uniform(0.01, 3.0)) for _ in range(rng.randint(1, 4))]
    effort = effort_term(FIELDS, rng)
    assert effort is not None
    return Genome((*terms, *rng.sample([effort, alive_term(rng)], rng.randint(0, 2)))).normalised(FIELDS)


def test_a_genome_survives_its_program() -> None:
    """Parsing what was rendered gives the same genome to the last digit, and rendering that the same text."""
    rng = random.Random(0)
    for _ in range(300):
        genome = random_genome(rng)
        source = render(genome, FIELDS, "Go ahead.")
        assert parse(source, FIELDS) == genome
        assert render(genome, FIELDS, "Go ahead.") == source


def test_the_program_reads_like_one_that_a_person_wrote() -> None:
    """Golden text: one line per term, only the fields that are used, the instruction as docstring, no hidden data."""
    genome = Genome(
        (
            Term(form="linear", readout=Readout("speed"), weight=1.0),
            Term(form="near", readout=Readout("joints", "entry", (1,)), weight=0.25, centre=-0.5, scale=0.2),
            Term(form="linear", readout=Readout("action", "energy"), weight=-0.01),
            Term(form="constant", readout=None, weight=0.5),
        )
    )
    assert render(genome, FIELDS, "Go ahead.") == (
        "import torch\n"
        "from torch import Tensor\n"
        "\n"
        "\n"
        "def compute_reward(\n"
        "    speed: Tensor,\n"
        "    joints: Tensor,\n"
        "    action: Tensor,\n"
        ") -> tuple[Tensor, dict[str, Tensor]]:\n"
        '    """Go ahead."""\n'
        "    speed_linear = 1.0 * speed\n"
        "    joints_knee_near = 0.25 * torch.exp(-((joints[:, 1] + 0.5) / 0.2).square())\n"
        "    action_energy_linear = -0.01 * action.square().mean(dim=-1)\n"
        "    alive_bonus = torch.full_like(speed_linear, 0.5)\n"
        "    total = speed_linear + joints_knee_near + action_energy_linear + alive_bonus\n"
        "    return total, {\n"
        '        "speed_linear": speed_linear,\n'
        '        "joints_knee_near": joints_knee_near,\n'
        '        "action_energy_linear": action_energy_linear,\n'
        '        "alive_bonus": alive_bonus,\n'
        "    }\n"
    )


def test_an_edit_by_hand_is_understood() -> None:
    """The source is the genome: a number that a person changed counts, there is no second copy of it."""
    source = render(Genome((Term(form="tanh", readout=Readout("speed"), weight=1.0, scale=2.0),)), FIELDS, "Go.")
    edited = parse(source.replace("/ 2.0", "/ 3"), FIELDS)
    assert edited == Genome((Term(form="tanh", readout=Readout("speed"), weight=1.0, scale=3.0),))


@pytest.mark.parametrize(
    "source",
    [
        "",
        "this is no program",
        "x = 1",
        "def compute_reward(speed):\n    return speed, {}\n",
        "def compute_reward(speed):\n    total = 2.0 * torch.sigmoid(speed)\n    return total, {}\n",
        "def compute_reward(speed):\n    a = 2.0 * torch.sigmoid(speed)\n    total = a\n    return total, {}\n",
        "def compute_reward(speed):\n    a = 2.0 * (speed / -1.0).square()\n    total = a\n    return total, {}\n",
        "def compute_reward(speed):\n    a = 2.0 * speed.clamp(-1.0, 1.0)\n    total = a\n    return total, {}\n",
        "def compute_reward(speed):\n    a = 2.0 * speed\n    total = 3.0 * a\n    return total, {}\n",
        "def compute_reward(speed):\n    a = 2.0 * speed\n    a += 1.0\n    total = a\n    return total, {}\n",
        "def compute_reward(nothing):\n    a = 2.0 * nothing\n    total = a\n    return total, {}\n",
        "def compute_reward(joints):\n    a = 2.0 * joints[:, 3]\n    total = a\n    return total, {}\n",
        "def compute_reward(action):\n    a = -0.1 * action.square().mean(dim=-1)\n    return a, {}\n",
    ],
)
def test_other_programs_are_left_alone(source: str) -> None:
    """A program outside the grammar, or of other fields, is no genome: it is never misread as one."""
    assert parse(source, FIELDS) is None


@pytest.mark.parametrize("title", ['say """x""" and \\', "two\nlines", "", "{braces} and 'quotes'", "é " * 200])
def test_any_instruction_makes_a_valid_program(title: str) -> None:
    """The instruction is text from a user: whatever it holds, the program stays the same program."""
    genome = Genome((Term(form="linear", readout=Readout("speed"), weight=1.0),))
    source = render(genome, FIELDS, title)
    assert parse(source, FIELDS) == genome
    assert RewardProgram.from_source(source, FIELDS).parameters == ("speed",)
    assert max(map(len, source.splitlines())) <= 120


def test_a_field_named_like_a_component_is_no_trouble() -> None:
    """A program parameter is never overwritten by a term that happens to have its name."""
    fields = {"speed": FIELDS["speed"], "speed_linear": Field("Another.", role="other")}
    terms = (
        Term(form="linear", readout=Readout("speed"), weight=1.0),
        Term(form="linear", readout=Readout("speed_linear"), weight=0.5),
    )
    source = render(Genome(terms), fields, "Go.")
    assert "speed_linear_term = 1.0 * speed\n" in source
    assert '"speed_linear": speed_linear_term,' in source
    assert parse(source, fields) == Genome(terms)


@pytest.mark.parametrize("env_id", registry.task_specs())
def test_every_program_keeps_the_rules_on_every_task(env_id: str) -> None:
    """All readouts of all tasks, in all forms, pass the static check that guards the sandbox's door."""
    task = registry.make_task(env_id)
    fields = public_fields(task.fields)
    terms = [
        Term(form="linear", readout=r, weight=1.0) for n, f in fields.items() if n != "action" for r in readouts(n, f)
    ]
    for start in range(0, len(terms), 6):
        genome = Genome(tuple(terms[start : start + 6]))
        source = render(genome, fields, task.spec.instruction)
        RewardProgram.from_source(source, task.fields)
        assert parse(source, fields) == genome
    brief = Brief(
        env_id=env_id, instruction=task.spec.instruction, fields=fields, horizon=10, fitness_doc=task.fitness_doc
    )
    context = Context(brief=brief, iteration=0, samples=16, history=(), llm=None, rng=random.Random(1))
    for proposal in Evolve().ask(context):
        assert proposal.source is not None
        RewardProgram.from_source(proposal.source, task.fields)
