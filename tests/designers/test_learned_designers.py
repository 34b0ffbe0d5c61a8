"""lare, heron and auto_mc_reward: what they ask of a model that answers over HTTP, and what they make of its answers.

Programs are tried for real, each in a locked-up process; what costs a training is in test_learned_studies.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward.agents.recording import RandomPolicy, record_rollouts, rollouts_header
from envreward.agents.rollout_file import RolloutFile
from envreward.agents.rollouts import Rollouts, read_rollouts
from envreward.designers.auto_mc_reward import AutoMCReward
from envreward.designers.heron import Heron
from envreward.designers.lare import LaRe
from envreward.errors import ConfigError, RewardError, UnknownNameError
from envreward.fields import public_fields
from envreward.llm import LLMConfig, open_llm
from envreward.registry import make_task
from envreward.rewards.program import RewardProgram
from envreward.rewards.states import collect_steps
from envreward.rewards.trial import run_trial
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies import Candidate, Evaluation, Status
from envreward.studies.composition import Composed
from envreward.studies.designer import Brief, Context
from envreward.vector_env import make_vector_env

ENV = "EnvReward/InvertedPendulum-v0"
FACTORS = """```python
def compute_reward(pole_angle, cart_velocity):
    calm = -cart_velocity.square()
    upright = torch.exp(-{scale} * torch.abs(pole_angle))
    return calm + upright, {{"calm": calm, "upright": upright}}
```"""
RAISES = "```python\ndef compute_reward(pole_angle):\n    return pole_angle.reshape(3, -1, 7), {}\n```"
NAMELESS = "```python\ndef compute_reward(pole_angle):\n    return pole_angle.abs(), {}\n```"
SIGNED = """```python
def sparse(pole_angle):
    return -(pole_angle.abs() > 0.18).float()

def dense(pole_angle, prev_pole_angle, memory):
    new = memory.clone()
    new[:, 0] = memory[:, 0] + 1.0
    return prev_pole_angle.abs() - pole_angle.abs() - {scale}, new
```"""
BROKEN = SIGNED.replace("pole_angle.abs() > 0.18", "pole_angle.reshape(3, -1, 7) > 0.18")


class Bench:
    """A workshop without a study: programs are tried in workers of this process, policies are random."""

    def __init__(self, folder: Path, *answers: str) -> None:
        self.folder, self.answers, self.asked = folder, [*answers], list[str]()
        self.fields = make_task(ENV).fields
        self.states = collect_steps(ENV, [*public_fields(self.fields), "prev_pole_angle"], 128)

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        """Check and try programs."""
        return {key: self._verdict(answer) for key, answer in answers.items()}

    def rollouts(self, candidate: Candidate, *, episodes: int) -> Rollouts:
        """Let a random policy play."""
        env = make_vector_env(ENV, episodes, reward="none")
        path = self.folder / "rollouts.jsonl"
        with RolloutFile(path, rollouts_header(env, "random")) as file:
            record_rollouts(env, RandomPolicy(env), file, [*range(episodes)])
        env.close()
        return read_rollouts(path)

    def ask_person(self, key: str, question: str, check: Callable[[str], str | None]) -> str:
        """Take the next answer, and the one after it where it cannot be used."""
        while (wrong := check(answer := self.answers.pop(0))) is not None:
            self.asked.append(wrong)
        return answer

    def _verdict(self, answer: str) -> Verdict:
        found = check_statically(answer, self.fields)
        if found.status != "ok" or found.source is None:
            return found
        program = RewardProgram.from_source(found.source, self.fields)
        try:
            trial = run_trial(
                program, self.fields, self.states.values, first=self.states.first.view(-1, self.states.worlds)
            )
        except RewardError as error:
            return Verdict(status="failed", reason=str(error), source=found.source)
        return Verdict(status="ok", source=found.source, components=trial.components)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Forked workers want one thread."""
    torch.set_num_threads(1)


@pytest.fixture
def ask(tmp_path: Path, llm_server: Any) -> Callable[..., Any]:
    """Ask a designer for the proposals of one iteration."""

    def propose(designer: Any, *answers: str, history: Sequence[Candidate] = ()) -> Any:
        task = make_task(ENV)
        brief = Brief(
            env_id=ENV,
            instruction="Keep the pole upright.",
            fields=public_fields(task.fields),
            horizon=task.spec.horizon,
            fitness_doc=task.fitness_doc,
        )
        bench: Any = Bench(tmp_path, *answers)
        context = Context(
            brief=brief,
            iteration=len(history),
            samples=1,
            history=history,
            llm=open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1)),
            rng=random.Random(0),
            workshop=bench,
        )
        (proposal,) = designer.ask(context)
        return proposal, bench, context

    return propose


def requests(llm_server: Any) -> list[Any]:
    """Return the conversations of all requests so far."""
    return [request["messages"] for request in llm_server.requests]


def test_fidelity_lare(ask: Any, llm_server: Any, reply: Any) -> None:
    """Five drafts at T=1, one summary at T=.3, errors sent back at T=.3, the latest alone (chat_with_gpt.py)."""
    answers = [FACTORS.format(scale=1 + i) for i in range(5)] + [RAISES, NAMELESS, FACTORS.format(scale=9)]
    llm_server.script(*[reply.text(text) for text in answers])
    proposal, _, _ = ask(LaRe())
    assert proposal.learning == "lare:loss=rrd" and "-9 *" in proposal.answer
    assert proposal.origin == "5 drafts summed up, rewritten 2x"
    assert [request["temperature"] for request in llm_server.requests] == [1.0] * 5 + [0.3] * 3
    said = requests(llm_server)
    assert len(said[0]) == 2 and [m["role"] for m in said[5]] == ["system", "user", "assistant", "user"]
    assert all(f"Draft {n}:" in said[5][2]["content"] for n in range(1, 6))
    assert "These 5 drafts" in said[5][3]["content"]
    assert "reshape" in said[6][-2]["content"] and "cannot be used" in said[6][-1]["content"]
    assert len(said[7]) == len(said[6]) and "no factors" in said[7][-1]["content"], "the latest error alone is shown"


def test_fidelity_lare_rechecks_five_times_at_most(ask: Any, llm_server: Any, reply: Any) -> None:
    """A function that never works is proposed as it is: its study records why it is of no use."""
    llm_server.respond(lambda body, i: reply.text(RAISES))
    proposal, _, _ = ask(LaRe(drafts=1, loss="rd"))
    assert len(llm_server.requests) == 1 + 5
    assert proposal.origin == "one draft, rewritten 5x" and proposal.learning == "lare:loss=rd"


def test_fidelity_heron(ask: Any, llm_server: Any, reply: Any) -> None:
    """Factors come into the order that the model gives, asked again where it contradicts itself."""
    ranked = ["upright > upright", "They stand or fall.\n\nupright > calm"]
    llm_server.script(reply.text(FACTORS.format(scale=3)), *[reply.text(text) for text in ranked])
    proposal, bench, _ = ask(Heron(margin=0.2))
    assert proposal.learning == "heron:pairs=episodes,margin=0.2" and not proposal.filtered
    assert proposal.origin == "sample 0, ranked upright > calm"
    verdict = bench.verify({"program": proposal.source})["program"]
    assert verdict.status == "ok" and verdict.components == ("upright", "calm")
    said = requests(llm_server)
    assert "calm, upright" in said[1][-1]["content"] and "twice" in said[2][-1]["content"]


def test_heron_ranked_by_a_person(ask: Any, llm_server: Any, reply: Any) -> None:
    """A person's contradictory ranking is asked for again; the model is asked for the factors alone."""
    llm_server.respond(lambda body, i: reply.text(FACTORS.format(scale=3)))
    proposal, bench, _ = ask(Heron(ranker="person", pairs="steps"), "calm, calm", "calm, upright")
    assert proposal.origin.endswith("ranked calm > upright") and "pairs=steps" in proposal.learning
    assert len(bench.asked) == 1 and "twice" in bench.asked[0]
    assert len(llm_server.requests) == 1


def test_heron_without_a_proper_order(ask: Any, llm_server: Any, reply: Any) -> None:
    """Factors that the model never ranks are filtered with what was wrong, and not used in any order."""
    llm_server.script(reply.text(FACTORS.format(scale=3)))
    llm_server.respond(lambda body, i: reply.text("upright first."))
    proposal, _, _ = ask(Heron(attempts=2))
    assert "not ranked" in proposal.filtered and len(llm_server.requests) == 3


def test_heron_without_factors(ask: Any, llm_server: Any, reply: Any) -> None:
    """A program that names no component has nothing to be ranked, and is filtered."""
    llm_server.respond(lambda body, i: reply.text(NAMELESS))
    proposal, _, _ = ask(Heron())
    assert "no factor" in proposal.filtered and len(llm_server.requests) == 1


def test_fidelity_auto_mc_reward(ask: Any, llm_server: Any, reply: Any) -> None:
    """What fails when it is run is sent back, then what the critic objects to; what it passes is proposed."""
    llm_server.script(
        reply.text(BROKEN.format(scale=0)),
        reply.text(SIGNED.format(scale=1e-4)),
        reply.text("REVISE\nThe dense part pays for nothing."),
        reply.text(SIGNED.format(scale=2e-4)),
        reply.text("**PASS**\nFine."),
    )
    proposal, bench, _ = ask(AutoMCReward())
    said = requests(llm_server)
    assert len(said) == 5 and proposal.origin == "sample 0, sent back 2x"
    assert "reshape" in said[1][-2]["content"] and "line 2" in said[1][-1]["content"]
    assert "You review reward functions" in said[2][-1]["content"] and len(said[2]) == 1
    assert "def compute_reward" not in said[2][-1]["content"], "the critic sees what the model wrote"
    assert "The dense part pays for nothing." in said[3][-1]["content"]
    verdict = bench.verify({"program": proposal.source})["program"]
    assert verdict.status == "ok" and verdict.components == ("sparse", "dense") and "0.0002" in proposal.answer


@pytest.mark.parametrize(
    ("words", "objection"),
    [
        ("PASS", ""),
        ("**Pass.** The sparse part does not need to be revised.", ""),
        ("\n__PASSED__\nFine.", ""),
        ("REVISE: the dense part does not pass the check.", "the dense part does not pass the check."),
        (
            "**REVISE**\n- PASS is not deserved.\n- It pays for nothing.",
            "- PASS is not deserved.\n- It pays for nothing.",
        ),
        ("REVISE", "REVISE"),
        ("The dense part would pass if it paid.", "The dense part would pass if it paid."),
        ("Passable.\nPASS", "Passable.\nPASS"),
    ],
)
def test_auto_mc_reward_hears_the_first_word(ask: Any, llm_server: Any, reply: Any, words: str, objection: str) -> None:
    """Only PASS as the first word lets functions pass; all else is sent back, in the critic's words."""
    first, second = (SIGNED.format(scale=scale) for scale in (1e-4, 2e-4))
    llm_server.script(reply.text(first), reply.text(words), reply.text(second), reply.text("PASS"))
    proposal, _, _ = ask(AutoMCReward(critic_rounds=1))
    said = requests(llm_server)
    assert len(said) == (3 if objection else 2)
    assert proposal.origin == ("sample 0, sent back 1x" if objection else "sample 0")
    assert not objection or objection in said[2][-1]["content"]
    assert "REVISE:" not in said[-1][-1]["content"]


@pytest.mark.parametrize("silent", ["empty", "failed"])
def test_auto_mc_reward_records_a_silent_critic(ask: Any, llm_server: Any, reply: Any, silent: str) -> None:
    """Functions that the critic said nothing of stand, and the candidate's origin says that nobody reviewed them."""
    answer = reply.text(" \n") if silent == "empty" else reply.error(429, retry_after="86400")
    llm_server.script(reply.text(SIGNED.format(scale=1e-4)), answer)
    proposal, _, _ = ask(AutoMCReward())
    assert len(llm_server.requests) == 2 and not proposal.filtered
    assert proposal.origin == "sample 0, critic did not answer"


def test_auto_mc_reward_records_a_revision_that_did_not_come(ask: Any, llm_server: Any, reply: Any) -> None:
    """Where the designer does not answer an objection, the functions objected to stand, and the origin says so."""
    llm_server.script(
        reply.text(SIGNED.format(scale=1e-4)),
        reply.text("REVISE\nIt pays for nothing."),
        reply.error(429, retry_after="86400"),
    )
    proposal, _, _ = ask(AutoMCReward())
    assert proposal.origin == "sample 0, no revision came" and proposal.source


def test_fidelity_auto_mc_reward_sends_back_three_times_at_most(ask: Any, llm_server: Any, reply: Any) -> None:
    """A critic that is never content stops nothing: after three rounds the last functions stand."""

    def respond(body: dict[str, Any], number: int) -> Any:
        critic = "You review reward functions" in body["messages"][-1]["content"]
        return reply.text("REVISE\nNo." if critic else SIGNED.format(scale=1e-4 * (number + 1)))

    llm_server.respond(respond)
    proposal, _, _ = ask(AutoMCReward())
    assert proposal.origin == "sample 0, sent back 3x" and not proposal.filtered
    assert len(llm_server.requests) == 1 + 3 * 2


def test_fidelity_auto_mc_reward_analyses_failures(ask: Any, llm_server: Any, reply: Any) -> None:
    """The analyzer sees failed episodes by their public facts; its words are what the designer goes on from."""
    llm_server.script(reply.text("It lets the pole fall to the right."), reply.text(SIGNED.format(scale=1e-4)))
    evaluation = Evaluation(member="m", seed=0, episodes=5, success=0.0, fitness=7.0, episode_length=7.0)
    earlier = Candidate(
        id="c000", iteration=0, index=0, answer=SIGNED.format(scale=0), source="x", status=Status.EVALUATED,
        evaluations=(evaluation,),
    )  # fmt: skip
    proposal, _, _ = ask(AutoMCReward(episodes=4, failures_shown=2, critic_rounds=0), history=[earlier])
    analysis, design = requests(llm_server)
    shown = analysis[-1]["content"]
    assert "It failed in 4 of them" in shown and "Episode 2:" in shown and "Episode 3:" not in shown
    assert "step 1: " in shown and "pole_angle" in shown
    assert not any(f", {name} " in shown for name in ("fitness", "success", "failure")), "private facts stay private"
    assert [m["role"] for m in design] == ["system", "user", "assistant", "user"]
    assert "It lets the pole fall to the right." in design[-1]["content"] and "task score 7" in design[-1]["content"]
    assert proposal.parents == ("c000",)


def test_auto_mc_reward_without_functions(ask: Any, llm_server: Any, reply: Any) -> None:
    """Answers without both functions are filtered, with what is missing; nothing else is used in their place."""
    llm_server.respond(lambda body, i: reply.text("```python\ndef dense(pole_angle):\n    return pole_angle\n```"))
    proposal, _, _ = ask(AutoMCReward(critic_rounds=1))
    assert "`sparse` is not defined" in proposal.filtered and len(llm_server.requests) == 2


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: LaRe(loss="rdd"), UnknownNameError, "rrd"),  # type: ignore[arg-type]
        (lambda: LaRe(drafts=0), ConfigError, "drafts"),
        (lambda: Heron(ranker="nobody"), UnknownNameError, "person"),  # type: ignore[arg-type]
        (lambda: Heron(margin=-1.0), ConfigError, "margin"),
        (lambda: AutoMCReward(critic_rounds=-1), ConfigError, "critic_rounds"),
        (lambda: AutoMCReward(episodes=0), ConfigError, "episodes"),
    ],
)
def test_options_out_of_range(make: Callable[[], object], error: type[Exception], words: str) -> None:
    """A wrong option is refused when the designer is made."""
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("designer", [LaRe(), LaRe(drafts=1), Heron(), Heron(ranker="person"), AutoMCReward()])
def test_compositions_count_their_calls(designer: Composed) -> None:
    """Each says what it does in every stage, and asks for no fewer answers than its least."""
    said = designer.composition(2)
    assert all(said.stages().values()) and 0 < said.calls.least <= said.calls.most
