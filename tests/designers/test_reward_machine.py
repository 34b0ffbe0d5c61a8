"""reward_machine: what it asks of a model that answers over HTTP, and what it makes of the machines that come back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward.designers.reward_machine import RewardMachineDesigner
from envreward.errors import ConfigError
from envreward.fields import Field
from envreward.llm import LLMConfig, open_llm
from envreward.rewards import Flow
from envreward.rewards.program import RewardProgram
from envreward.rewards.remembering import RememberingProgram
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies import Candidate, Evaluation, Status
from envreward.studies.designer import Brief, Context
from envreward.studies.loop import Study
from envreward.studies.records import Proposal, Traces
from envreward.studies.store import StudyStore

BRIEF = Brief(
    env_id="Office",
    instruction="Fetch a coffee and bring it to the office, and step on no decoration.",
    fields={
        "coffee": Field("Whether it stands at the coffee machine.", dtype="bool"),
        "office": Field("Whether it stands in the office.", dtype="bool"),
        "to_vase": Field("Distance to the next decoration.", unit="m"),
        "action": Field("Where it goes.", shape=(2,), role="action"),
    },
    horizon=100,
    fitness_doc="Coffees delivered.",
)
COFFEE = """```text
predicate coffee: coffee
predicate office: office
predicate broken: to_vase < 0.1
start empty
end failed
end delivered
empty -> failed: broken, reward -1
empty -> carrying: coffee, reward 0.5
carrying -> failed: broken, reward -1
carrying -> delivered: office, reward 1
```"""
UNKNOWN = COFFEE.replace("to_vase", "to_vaze")
UNREADABLE = COFFEE.replace("start empty", "begin empty")
TRACES = Traces(
    steps=(100, 200),
    components={"empty_to_carrying": (0.0, 0.25), "carrying_to_delivered": (0.0, 0.0)},
    fitness=(0.0, 0.0),
)


class Trial:
    """A workshop whose dry run finds what the static check finds; it keeps what it was given."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        """Check programs."""
        self.tried += answers.values()
        return {key: check_statically(answer, BRIEF.fields) for key, answer in answers.items()}


@pytest.fixture
def ask(llm_server: Any, reply: Any) -> Callable[..., list[Proposal]]:
    """Ask a designer for one iteration's proposals, of a model that gives certain answers."""

    def propose(
        designer: RewardMachineDesigner, *answers: str, samples: int = 1, history: Sequence[Candidate] = ()
    ) -> list[Proposal]:
        llm_server.script(*map(reply.text, answers))
        workshop: Any = Trial()
        context = Context(
            brief=BRIEF,
            iteration=len(history),
            samples=samples,
            history=history,
            llm=open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1)),
            rng=random.Random(0),
            workshop=workshop,
        )
        proposals = designer.ask(context)
        assert all(source.startswith("import torch") for source in workshop.tried), "programs are tried, not machines"
        return proposals

    return propose


def candidate(id_: str, fitness: float | None, status: Status = Status.EVALUATED, **more: Any) -> Candidate:
    scores = [] if fitness is None else [fitness]
    evaluations = tuple(
        Evaluation(member="m", seed=0, episodes=5, success=0.0, fitness=score, episode_length=9.0) for score in scores
    )
    return Candidate(
        id=id_, iteration=0, index=0, answer=COFFEE, source="x", status=status, evaluations=evaluations, **more
    )


def test_fidelity_reward_machine(ask: Any, llm_server: Any) -> None:
    """The reward depends on facts and on the machine's state (JAIR 73, section 3), worked by hand.

    The office pays only with a coffee; of two transitions that hold, the first is taken; nothing is paid once it is
    over; an episode begins with the start.
    """
    (proposal,) = ask(RewardMachineDesigner(), f"Coffee first, then the office.\n\n{COFFEE}")
    assert proposal.source is not None and not proposal.filtered and COFFEE in proposal.answer
    reward = RememberingProgram(RewardProgram.from_source(proposal.source, BRIEF.fields))
    facts = [  # coffee, office, to_vase; reward
        (0, 1, 1.0, 0.0),
        (1, 0, 1.0, 0.5),
        (1, 1, 1.0, 1.0),
        (1, 1, 0.0, 0.0),
        (1, 1, 1.0, 0.5),  # the next episode
        (0, 1, 0.0, -1.0),
        (0, 1, 1.0, 0.0),
    ]
    first = torch.tensor([i in (0, 4) for i in range(len(facts))]).unsqueeze(1)
    never = torch.zeros_like(first)
    coffee, office, to_vase, expected = (torch.tensor(column).unsqueeze(1) for column in zip(*facts, strict=True))
    output = reward.over(
        Flow(first, never, never), reward.new_memory(1), coffee=coffee > 0, office=office > 0, to_vase=to_vase
    )
    assert output.total[:, 0].tolist() == expected[:, 0].tolist()
    (request,) = llm_server.requests
    system, task = (message["content"] for message in request["messages"])
    assert "STATE -> STATE: FORMULA, reward NUMBER" in system and "compute_reward" not in system + task
    assert BRIEF.instruction in task and "- to_vase: float32 [N], m." in task and "```text" in task
    assert request["temperature"] == 1.0


def test_machines_that_cannot_be_read_are_sent_back(ask: Any, llm_server: Any) -> None:
    """Each goes back with line and reason until it can be read; a sound one beside it is left alone."""
    sound, mended = ask(RewardMachineDesigner(), COFFEE, UNREADABLE, UNKNOWN, COFFEE, samples=2)
    assert (sound.origin, mended.origin) == ("sample 0", "sample 1, mended 2x")
    assert sound.source == mended.source is not None and not mended.filtered
    first, second = (request["messages"][-2:] for request in llm_server.requests[2:])
    assert first[0]["content"] == UNREADABLE and "line 4: cannot read 'begin empty'" in first[1]["content"]
    assert second[0]["content"] == UNKNOWN
    assert "line 3: unknown field 'to_vaze'; did you mean 'to_vase'" in second[1]["content"]
    assert "```text" in second[1]["content"] and "program" not in second[1]["content"]


def test_a_machine_that_is_never_mended_is_filtered(ask: Any, llm_server: Any) -> None:
    """It ends with its own error, not with one about programs that nobody asked for."""
    (proposal,) = ask(RewardMachineDesigner(mends=1), UNKNOWN, UNKNOWN)
    assert proposal.source is None and proposal.filtered.startswith("line 3: unknown field 'to_vaze'")
    assert len(llm_server.requests) == 2
    (proposal,) = ask(RewardMachineDesigner(mends=0), UNKNOWN)
    assert "to_vaze" in proposal.filtered and len(llm_server.requests) == 3


def test_the_best_machine_is_refined_by_what_its_transitions_paid(ask: Any, llm_server: Any) -> None:
    """The model sees the best machine of all iterations, and a row for each transition that pays."""
    history = [candidate("c000", 1.0), candidate("c001", 3.0, traces=TRACES), candidate("c002", 2.0)]
    (proposal,) = ask(RewardMachineDesigner(), COFFEE, history=history)
    assert proposal.parents == ("c001",)
    messages = llm_server.requests[0]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == COFFEE
    told = messages[3]["content"]
    assert "trained with the reward machine above" in told and "write a better machine" in told
    assert "empty_to_carrying: [0, 0.25], max 0.25, mean 0.125, min 0" in told and "task score 3" in told
    assert "Coffees delivered." in told and "```text" in told and "```python" not in told


def test_a_machine_that_failed_is_told_why(ask: Any, llm_server: Any) -> None:
    """Where nothing was scored, the one that came closest to working is shown with its error."""
    ask(
        RewardMachineDesigner(),
        COFFEE,
        history=[candidate("c000", None, Status.FAILED, reason="It ran out of memory.")],
    )
    told = llm_server.requests[0]["messages"][-1]["content"]
    assert "It ran out of memory." in told and "form of machines" in told


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"mends": -1}, {"checkpoints": 0}])
def test_options_out_of_range(options: dict[str, Any]) -> None:
    """A wrong option is refused when the designer is made."""
    with pytest.raises(ConfigError, match="reward_machine"):
        RewardMachineDesigner(**options)


@pytest.fixture
def own_cache(tmp_path: Path) -> Iterator[None]:
    """Baselines are kept for this test alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVREWARD_CACHE", str(tmp_path / "cache"))
        yield


BALANCE = """```text
predicate up: |pole_angle| < 0.1
predicate slow: |cart_velocity| < 0.5
start balancing
balancing -> balancing: up & slow, reward 1
balancing -> lost: !up, reward -1
```"""


@pytest.mark.usefixtures("own_cache")
def test_a_whole_study(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """Machines are verified, trained in the sandbox, scored and refined like programs; the record holds both forms."""
    llm_server.script(reply.text(BALANCE), reply.text(BALANCE.replace("pole_angle", "pole_angel")))
    llm_server.respond(lambda body, i: reply.text(BALANCE.replace("0.1", "0.05")))
    config, crew = small_study(RewardMachineDesigner(), iterations=2)
    with StudyStore.create(tmp_path / "run", config, {}) as store:
        result = Study(store, crew).run()
        first, second = store.candidates()
    assert result.winner is not None and len(llm_server.requests) == 3
    assert [c.status for c in (first, second)] == [Status.EVALUATED] * 2
    assert first.traces is not None
    assert [*first.traces.components] == ["balancing_to_balancing", "balancing_to_lost"]
    assert first.answer == BALANCE and "def compute_reward" in (first.source or "")
    assert second.parents == ("c000",) and second.origin == "sample 0, mended 1x" and "< 0.05" in (second.source or "")
    assert "balancing_to_balancing: [" in llm_server.requests[1]["messages"][-1]["content"]
