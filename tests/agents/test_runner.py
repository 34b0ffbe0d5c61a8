"""Language models on worlds, over real HTTP: whatever they answer, every episode is accounted for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from counter_worlds import Counter, CounterTask, counter

from envreward.agents.episode import AgentConfig
from envreward.agents.rollouts import read_rollouts
from envreward.errors import BudgetExceededError, ConfigError, InfraError, LLMUnavailableError
from envreward.llm import Caps, LLMConfig, Usage
from envreward.vector_env import make_vector_env
from envreward.worlds import EachWorld

Play = Callable[..., Any]

# litellm's own types, when a part of it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"
PROMPT_USD, COMPLETION_USD = 2.5e-6, 10e-6  # gpt-4o as litellm's own list prices it


def test_a_solved_episode_is_recorded_step_by_step(play: Play, llm_server: Any) -> None:
    """Facts before and after each action, the call, hashes, flags, tokens and dollars of an episode are in the file."""
    (episode,) = play([0]).rollouts.episodes
    assert (episode.outcome, episode.reason, episode.fitness) == ("success", "", 1.0)
    assert episode.instruction == "Bring the counter to 2."
    assert episode.facts["value"].tolist() == [0.0, 1.0, 2.0]
    assert episode.facts["shown"] == ["0 of 2", "1 of 2", "2 of 2"]
    assert episode.facts["success"].tolist() == [False, False, True]
    assert episode.facts["steps_taken"].tolist() == [0, 1, 2] and episode.facts["steps_left"].tolist() == [12, 11, 10]
    assert episode.facts["action"].tolist() == [0, -1, -1]
    assert list(episode.actions) == [{"tool": "add", "arguments": {"amount": 1}}] * 2
    assert list(episode.state_hash) == ["0/2", "1/2", "2/2"]
    assert episode.terminated.tolist() == [False, True] and not episode.truncated.any()
    cost = 2 * (100 * PROMPT_USD + 50 * COMPLETION_USD)
    assert episode.usage == Usage(calls=2, prompt_tokens=200, completion_tokens=100, cost_usd=pytest.approx(cost))


def test_what_the_model_is_sent(play: Play, llm_server: Any) -> None:
    """It gets the instruction, the world in words and the tools; each call it made is answered in OpenAI's format."""
    play([0])
    first, second = llm_server.requests
    assert [m["role"] for m in first["messages"]] == ["system", "user"]
    assert "Bring the counter to 2." in first["messages"][1]["content"]
    assert first["messages"][1]["content"].endswith("The counter shows 0.")
    assert first["tools"] == [tool.schema() for tool in counter.tools] and first["temperature"] == 0.0
    call, result = second["messages"][2:]
    assert call["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"amount": 1}'}
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert result["content"].endswith("The counter shows 1.")


def test_a_seed_is_the_same_episode_to_everyone(play: Play) -> None:
    """The model plays the very episodes that a policy plays in a vector environment with the same seeds."""
    episodes = play(range(3, 9)).rollouts.episodes
    env = make_vector_env(COUNTER, 6, reward="none")
    env.reset(seed=[*range(3, 9)])
    assert torch.equal(torch.stack([e.facts["target"][0] for e in episodes]), env._read("target"))
    env.close()


def test_episodes_run_concurrently_and_no_more_than_allowed(
    play: Play, llm_server: Any, solve: Any, reply: Any
) -> None:
    """With concurrency 3, three requests are under way at once, never four, and all episodes end."""
    llm_server.respond(lambda body, i: reply.replace(solve(body, i), delay_s=0.05))
    played = play(range(7), concurrency=3)
    assert llm_server.most_at_once == 3
    assert sorted(end.seed for end in played.ended) == [*range(7)]
    assert {e.outcome for e in played.rollouts.episodes} == {"success"} and not played.rollouts.unfinished


BAD_ANSWERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "unknown tool": (lambda r: r.calls(("ad", '{"amount": 1}')), "there is no tool 'ad'; tools: add"),
    "no JSON": (lambda r: r.calls(("add", "amount=1")), "the arguments are not JSON"),
    "no object": (lambda r: r.calls(("add", "[1]")), "must be a JSON object, got list"),
    "missing argument": (lambda r: r.calls(("add", "{}")), "missing argument 'amount'"),
    "unknown argument": (lambda r: r.calls(("add", '{"amount": 1, "to": 2}')), "unknown argument 'to'"),
    "wrong type": (lambda r: r.calls(("add", '{"amount": "one"}')), "must be a integer"),
    "meaningless value": (lambda r: r.calls(("add", '{"amount": 7}')), "amount must be -1 or 1, got 7"),
    "huge arguments": (
        lambda r: r.calls(("add", json.dumps({"amount": "9" * 300_000}))),
        "the arguments are 300,014 characters long",
    ),
    "half a character": (lambda r: r.calls(("add", '{"\\ud800": 1}')), "missing argument"),
    "strange name": (lambda r: r.calls(("add me/now ✓", "{}")), "there is no tool 'add me/now ✓'"),
    "two calls": (
        lambda r: r.calls(("add", '{"amount": 1}'), ("add", '{"amount": 1}')),
        "2 calls in one answer, of which none was carried out",
    ),
    "text in place of a call": (lambda r: r.text("I shall add one."), "the answer called no tool: call one tool (add)"),
    "call written as text": (lambda r: r.text('{"tool": "add", "arguments": {"amount": 1}}'), "called no tool"),
    "nothing": (lambda r: r.text(None), "the answer was empty"),
    "cut off": (lambda r: r.text("Let me th", finish_reason="length"), "cut off at the limit of its length"),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_bad_answers_are_fed_back(play: Play, llm_server: Any, solve: Any, reply: Any, kind: str) -> None:
    """Whatever is no proper call costs a step and changes nothing; the model is told why and goes on."""
    make, words = BAD_ANSWERS[kind]
    llm_server.respond(lambda body, i: make(reply) if i == 0 else solve(body, i))
    (episode,) = play([0]).rollouts.episodes
    assert episode.outcome == "success" and episode.steps == 3
    assert words in episode.action_error[0] and list(episode.action_error[1:]) == ["", ""]
    assert episode.facts["action_failed"].tolist() == [False, True, False, False]
    assert episode.facts["value"].tolist() == [0.0, 0.0, 1.0, 2.0]
    sent = llm_server.requests[1]["messages"]
    assert words.replace("✓", "").split("'")[0] in sent[-1]["content"]
    called = sent[2].get("tool_calls", [])
    assert [m["tool_call_id"] for m in sent if m["role"] == "tool"] == [call["id"] for call in called]
    for call in called:  # in a form that every provider takes
        assert isinstance(json.loads(call["function"]["arguments"]), dict)
        assert len(call["function"]["arguments"]) < 5_000 and call["function"]["name"].isidentifier()


def test_an_action_that_the_world_refuses_is_fed_back(play: Play, llm_server: Any, reply: Any) -> None:
    """What the world cannot do is told in the world's words; the episode goes on up to its limit of steps."""
    llm_server.respond(lambda body, i: reply.calls(("add", '{"amount": -1}')))
    (episode,) = play([0], horizon=8).rollouts.episodes
    assert (episode.outcome, episode.steps, episode.fitness) == ("truncated", 8, 0.0)
    assert episode.action_error[4] == "" and "no room for -6" in episode.action_error[5]
    assert episode.truncated.tolist() == [False] * 7 + [True]
    assert "could not be taken: the counter has no room for -6" in llm_server.requests[6]["messages"][-1]["content"]


def test_consecutive_failures_have_a_limit(play: Play, llm_server: Any, solve: Any, reply: Any) -> None:
    """After so many bad answers in a row the episode is cut off and says why; a good one starts the count anew."""
    llm_server.respond(lambda body, i: solve(body, i) if i == 2 else reply.text("Hm."))
    (episode,) = play([1], config=AgentConfig(max_failures=3)).rollouts.episodes
    assert (episode.outcome, episode.steps) == ("truncated", 6)
    assert episode.reason.startswith("3 actions in a row could not be taken; the last: the answer called no tool")
    assert bool(episode.truncated[-1])


def test_faults_of_the_world_are_lost_episodes(play: Play) -> None:
    """An episode whose machinery fails ends as lost, with the reason and no score; the next ones are played."""
    task = CounterTask()
    task.faults = (2,)
    played = play([0, 3, 6], task=task, concurrency=1)
    lost, *others = played.rollouts.episodes
    assert (lost.outcome, lost.fitness, lost.success, lost.steps) == ("lost", None, None, 2)
    assert "spring broke at action 2" in lost.reason and "spring broke" in lost.infra_error[1]
    assert bool(lost.truncated[1]) and not lost.terminated.any() and lost.state_hash[2] == ""
    assert [e.outcome for e in others] == ["success", "success"]


@pytest.mark.parametrize("part", ["describe", "state_hash", "refuse"])
def test_machinery_that_fails_while_it_is_looked_at(
    play: Play, llm_server: Any, solve: Any, reply: Any, part: str
) -> None:
    """A fault in whatever else a world does than act loses its episode in the same way."""
    llm_server.respond(lambda body, i: reply.text("Hm.") if i == 0 else solve(body, i))

    class Falters(Counter):
        falters = True

        def refuse(self, reason: str) -> None:
            if part == "refuse":
                raise InfraError("the window is gone")
            self.value = 1  # what `describe` and `state_hash` see once

        def _look(self, name: str) -> None:
            if self.falters and part == name and self.value == 1:
                type(self).falters = False
                raise InfraError("the window is gone")

        def describe(self) -> str:
            self._look("describe")
            return super().describe()

        def state_hash(self) -> str:
            self._look("state_hash")
            return super().state_hash()

    class Task(CounterTask):
        def open(self, num_worlds: int) -> Any:
            return EachWorld([Falters()])

    lost, other = play([0, 3], task=Task(), concurrency=1).rollouts.episodes
    assert (lost.outcome, lost.reason, lost.steps) == ("lost", "the window is gone", 1)
    assert "called no tool" in lost.action_error[0] and other.outcome == "success"


class DownCounter(Counter):
    """A world whose machinery is down."""

    def reset(self, seed: int) -> None:
        raise InfraError("no daemon answers")


class BrokenTask(CounterTask):
    """A task whose worlds cannot be reset."""

    opened: ClassVar[list[int]] = []

    def open(self, num_worlds: int) -> Any:
        self.opened.append(num_worlds)
        return EachWorld([DownCounter()])


def test_machinery_that_stays_down_ends_the_run(play: Play, llm_server: Any, tmp_path: Path) -> None:
    """Episodes that cannot begin are lost without a request; after five in a row the run is given up."""
    before = len(BrokenTask.opened)
    with pytest.raises(InfraError, match="the last 5 episodes were all lost"):
        play(range(50), task=BrokenTask(), concurrency=1)
    rollouts = read_rollouts(tmp_path / "rollouts.jsonl")
    assert not llm_server.requests and 5 <= len(rollouts.episodes) < 50
    assert {(e.outcome, e.reason, e.steps) for e in rollouts.episodes} == {("lost", "no daemon answers", 0)}
    assert len(BrokenTask.opened) - before >= 5


def test_one_dead_world_does_not_lose_the_others_episodes(play: Play) -> None:
    """A world that can no longer be reset is replaced by another, which plays on."""

    class HalfDown(CounterTask):
        opened = 0

        def open(self, num_worlds: int) -> Any:
            self.opened += 1
            return EachWorld([DownCounter() if self.opened == 1 else Counter()])

    lost, *others = play(range(8), task=HalfDown(), concurrency=1).rollouts.episodes
    assert lost.outcome == "lost" and {e.outcome for e in others} == {"success"}


def test_answers_that_never_come_lose_their_episode_alone(play: Play, llm_server: Any, solve: Any, reply: Any) -> None:
    """A request that keeps failing, or that is refused for itself alone, costs one episode and not the run."""

    def respond(body: dict[str, Any], index: int) -> Any:
        if "counter to 3" in body["messages"][1]["content"]:
            return reply.error(400, "This model's maximum context length is 8192 tokens")
        return reply.error(500, "boom") if "counter to 4" in body["messages"][1]["content"] else solve(body, index)

    llm_server.respond(respond)
    episodes = play(range(12), concurrency=1).rollouts.episodes
    by_goal = {goal: {(e.outcome, e.reason) for e in episodes if goal in e.instruction} for goal in "234"}
    assert by_goal["2"] == {("success", "")}
    ((outcome, reason),) = by_goal["3"]
    assert outcome == "lost" and "maximum context length" in reason
    ((outcome, reason),) = by_goal["4"]
    assert outcome == "lost" and "boom" in reason


def test_a_wrong_key_ends_the_run(play: Play, llm_server: Any, reply: Any, tmp_path: Path) -> None:
    """What holds for every request stops the run with one error; nothing counts as played."""
    llm_server.respond(lambda body, i: reply.error(401, "Incorrect API key", code="invalid_api_key"))
    with pytest.raises(LLMUnavailableError, match="Incorrect API key"):
        play(range(20), concurrency=2)
    rollouts = read_rollouts(tmp_path / "rollouts.jsonl")
    assert not rollouts.episodes and len(llm_server.requests) <= 2


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        (Caps(calls=7), "limit of 7 language-model calls"),
        (Caps(tokens=9_000), "limit of 9,000 tokens"),
        (Caps(cost_usd=0.02), "limit of \\$0.02"),
    ],
)
def test_caps_are_never_passed_and_lose_nothing(
    play: Play, llm_server: Any, tmp_path: Path, caps: Caps, words: str
) -> None:
    """At a cap the run stops before the request that could pass it; what was spent is in the file, finished or not."""
    with pytest.raises(BudgetExceededError, match=words):
        play(range(200), caps=caps, concurrency=2)
    rollouts = read_rollouts(tmp_path / "rollouts.jsonl")
    usage = rollouts.usage
    assert 0 < usage.calls == len(llm_server.requests)
    assert usage.calls <= (caps.calls or 10**9)
    assert usage.prompt_tokens + usage.completion_tokens <= (caps.tokens or 10**9)
    assert usage.cost_usd is not None and usage.cost_usd <= (caps.cost_usd or 10**9)
    assert rollouts.episodes and all(e.outcome == "success" for e in rollouts.episodes)


def test_the_time_limit_gives_up_requests_under_way(play: Play, llm_server: Any, reply: Any) -> None:
    """A model that is slow is not waited for beyond the limit."""
    llm_server.respond(lambda body, i: reply.replace(reply.text("late"), delay_s=30.0))
    before = threading.active_count()
    with pytest.raises(BudgetExceededError, match=r"limit of 0\.005 minutes"):
        play([0], wall_s=0.3)
    assert len([t for t in threading.enumerate() if t.name.startswith("episode-")]) == 0, before


class CountingTask(CounterTask):
    """Counts the worlds that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open_now: set[int] = set()
        self.threads: dict[int, set[str]] = {}

    def open(self, num_worlds: int) -> Any:
        task, number = self, len(self.threads)
        self.open_now.add(number)
        self.threads[number] = {threading.current_thread().name}

        class Watched(EachWorld[Any]):
            def act(self, actions: Any) -> None:
                task.threads[number].add(threading.current_thread().name)
                super().act(actions)

            def close(self) -> None:
                task.threads[number].add(threading.current_thread().name)
                task.open_now.discard(number)
                super().close()

        return Watched([*super().open(num_worlds)._worlds])


@pytest.mark.parametrize("breaks", [False, True])
def test_worlds_stay_in_their_thread_and_are_closed(
    play: Play, llm_server: Any, solve: Any, reply: Any, breaks: bool
) -> None:
    """Each world is opened, used and closed by one thread, and none is left open, whatever ends the run."""
    task = CountingTask()
    if breaks:
        llm_server.respond(lambda body, i: solve(body, i) if i < 6 else reply.error(401, "no"))
        with pytest.raises(LLMUnavailableError):
            play(range(9), task=task, concurrency=3)
    else:
        play(range(9), task=task, concurrency=3)
    assert task.open_now == set() and len(task.threads) == 3
    assert all(len(names) == 1 for names in task.threads.values())


def test_a_bug_in_a_world_is_not_hidden(play: Play) -> None:
    """What a world raises beside its own errors ends the run as it is, from whichever thread."""

    class Buggy(CounterTask):
        def open(self, num_worlds: int) -> Any:
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        play(range(5), task=Buggy())


def test_settings_that_cannot_work(play: Play) -> None:
    """A task without tools, and settings without sense, are refused in one line."""
    task = CounterTask()
    task.tools = ()
    with pytest.raises(ConfigError, match="no tools that a language model could call"):
        play([0], task=task)
    with pytest.raises(ConfigError, match="concurrency must be at least 1"):
        play([1], concurrency=0)
    for bad in ({"context_tokens": 10}, {"max_failures": 0}, {"temperature": -1.0}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            AgentConfig(**bad)


def test_calls_written_as_text(play: Play, llm_server: Any, reply: Any) -> None:
    """For models that cannot call tools, tools go into the prompt and calls are read from the text."""

    def respond(body: dict[str, Any], index: int) -> Any:
        assert "tools" not in body and '"amount": {"type": "integer"}' in body["messages"][0]["content"]
        assert {m["role"] for m in body["messages"]} <= {"system", "user", "assistant"}
        bad, good = "I add {one}.", 'So: ```json\n{"tool": "add", "arguments": {"amount": 1}}\n```'
        return reply.text(bad if index == 0 else good)

    llm_server.respond(respond)
    (episode,) = play([0], config=AgentConfig(text_calls=True)).rollouts.episodes
    assert episode.outcome == "success" and episode.steps == 3
    assert 'write one JSON object {"tool": NAME' in episode.action_error[0]


def test_recordings_play_back_without_a_server(play: Play, llm_server: Any, tmp_path: Path) -> None:
    """Answers kept with record: play the same episodes again with replay:, tool calls included, and cost no request."""
    recording = tmp_path / "session.jsonl"
    first = play([0, 1], llm=f"record:{recording}=openai/gpt-4o").rollouts.episodes
    asked = len(llm_server.requests)
    (tmp_path / "rollouts.jsonl").unlink()
    again = play([0, 1], llm=f"replay:{recording}").rollouts.episodes
    assert len(llm_server.requests) == asked
    assert [(e.actions, e.state_hash, e.usage) for e in again] == [(e.actions, e.state_hash, e.usage) for e in first]


def test_an_unknown_price_stays_unknown(play: Play) -> None:
    """Where the price of a model is not known, cost is not reported as zero."""
    (episode,) = play([0], llm="openai/our-own", llm_config=LLMConfig(max_tokens=100)).rollouts.episodes
    assert episode.usage.calls == 2 and episode.usage.cost_usd is None
