"""What a judge is asked, and how strictly its answer is read."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.errors import ConfigError
from envreward.rewards.judge_prompt import (
    Judgement,
    Rubric,
    RubricItem,
    Step,
    UnusableAnswerError,
    correction,
    failed,
    passes,
    question,
    read_answer,
    step_key,
    visible,
)

RUBRIC = Rubric(
    task="Repair the failing test.",
    items=(
        RubricItem(name="progress", question="The step brings the repair closer.", weight=3.0),
        RubricItem(name="care", question="The step changes nothing that works."),
    ),
)
STEP = Step({"thought": "The index in line 3 is off by one.\nI change it."}, {"instruction": "Make test_sum pass."})


def answer(verdict: Any = "pass", progress: Any = 8, evidence: Any = "index in line 3", care: Any = 0) -> str:
    items = {
        "progress": {"score": progress, "evidence": evidence},
        "care": {"score": care, "evidence": "" if care == 0 else "I change it"},
    }
    return json.dumps({"verdict": verdict, "items": items})


def test_an_answer_is_read() -> None:
    """Scores, verdict and evidence; the total is the weighted mean in [0, 1]."""
    judgement = read_answer(answer(care=4), RUBRIC, STEP)
    assert judgement == Judgement(
        "pass", {"progress": 8, "care": 4}, {"progress": "index in line 3", "care": "I change it"}
    )
    assert judgement.total(RUBRIC) == pytest.approx((3 * 8 + 4) / 40)
    assert Judgement.from_json(judgement.to_json()) == judgement
    assert failed(RUBRIC).total(RUBRIC) == 0.0


def test_forms_that_are_allowed() -> None:
    """A code fence around the object, and quotations whose line breaks and indents were lost."""
    assert read_answer(f"```json\n{answer()}\n```", RUBRIC, STEP).scores["progress"] == 8
    assert read_answer(answer(evidence="off by one. I  change it."), RUBRIC, STEP).scores["progress"] == 8


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "not one JSON object"),
        ("8", "not a JSON object"),
        ("[" * 100_000, "not one JSON object"),
        (f"Here you are: {answer()}", "not one JSON object"),
        (answer() + answer(), "not one JSON object"),
        ('{"verdict": "fail", "verdict": "pass", "items": {}}', "a name is given twice"),
        (answer(verdict="excellent"), "pass or fail"),
        ('{"verdict": "pass"}', '"items"'),
        (answer()[:-1] + ', "total": 10}', "nothing else"),
        ('{"verdict": "pass", "items": {"progress": {"score": 1, "evidence": "line 3"}}}', "exactly progress, care"),
        ('{"verdict": "pass", "items": [1, 2]}', "exactly progress, care"),
        ('{"verdict": "pass", "items": {"progress": 8, "care": 1}}', "progress must have score and evidence"),
        (answer(progress=11), "whole number from 0 to 10"),
        (answer(progress=-1), "whole number from 0 to 10"),
        (answer(progress=7.5), "whole number from 0 to 10"),
        (answer(progress=True), "whole number from 0 to 10"),
        (answer(progress="8"), "whole number from 0 to 10"),
        (answer(evidence=None), "evidence of progress must be a text"),
        (answer(evidence=""), "evidence of progress says nothing"),
        (answer(evidence="."), "evidence of progress says nothing"),
        (answer(evidence="the"), "evidence of progress says nothing"),
        (answer(evidence="Solution"), "evidence of progress says nothing"),
        (answer(evidence="the repair is complete"), "does not occur in the judged text"),
        (answer(evidence="Make test_sum pass."), "does not occur in the judged text"),
        (answer(verdict="fail"), "all scores must be 0"),
    ],
)
def test_anything_else_is_refused(bad: str, reason: str) -> None:
    """No other form, no contradiction, and no score without words of the judged text, not even of its context."""
    with pytest.raises(UnusableAnswerError, match=reason):
        read_answer(bad, RUBRIC, STEP)


def test_short_texts_can_be_quoted_whole() -> None:
    """Where the text has fewer letters than a quotation needs, all of it is enough, and less is not."""
    step = Step({"action": "up 2"}, {})
    assert read_answer(answer(evidence="up 2"), RUBRIC, step).verdict == "pass"
    with pytest.raises(UnusableAnswerError, match="says nothing"):
        read_answer(answer(evidence="up"), RUBRIC, step)


def test_stand_ins_are_no_evidence() -> None:
    """What is shown for characters that cannot be seen, or are left out, is not the agent's words."""
    step = Step({"thought": visible("\u200b\u200b\u200b" + "I change the index.", 100)}, {})
    with pytest.raises(UnusableAnswerError, match="says nothing"):
        read_answer(answer(evidence="<U+200B><U+200B>"), RUBRIC, step)
    step = Step({"thought": visible("I change the index." * 100, 300)}, {})
    with pytest.raises(UnusableAnswerError, match="says nothing"):
        read_answer(answer(evidence="[... 1,600 characters left out ...]"), RUBRIC, step)


@pytest.mark.parametrize(
    ("text", "let_through"),
    [(answer(), True), ("Looks good to me!", True), ('{"verdict": "fail"}', False), (answer(verdict="fail"), False)],
)
def test_only_a_clear_fail_fails_a_control(text: str, let_through: bool) -> None:
    """An attack that is not plainly failed has passed, whatever the form of the answer."""
    assert passes(text) is let_through


@given(st.text(max_size=300), st.text(alphabet="n0 <|>\n\r\u2028\x0b\x85", max_size=60))
@settings(deadline=None)
def test_no_text_ends_its_own_quotation(text: str, odd: str) -> None:
    """Each line of what an agent wrote begins with the mark, whatever it contains, and the mark occurs in no text."""
    plain = question(Step({"thought": ""}, {}), RUBRIC, "n0")[1]["content"]
    step = Step({"thought": visible(text + odd, 1000)}, {})
    system, user = (message["content"] for message in question(step, RUBRIC, "n0"))
    mark = system.partition("begin with the mark ")[2].split()[0]
    assert mark not in step.text and mark.startswith("n0")
    ours = [line for line in user.split("\n") if not line.startswith(mark)]
    assert ours == [line for line in plain.split("\n") if not line.startswith("n0")]
    quoted = [line.removeprefix(f"{mark} ") for line in user.split("\n") if line.startswith(mark)]
    assert "\n".join(quoted) == step.text
    assert user.splitlines() == user.split("\n")  # no other character breaks a line


def test_hidden_characters_are_shown() -> None:
    """Zero-width and direction marks, controls and the marks of chat templates cannot work unseen."""
    assert visible("a\u200bb\u202ec\x00d\te", 100) == "a<U+200B>b<U+202E>c<U+0000>d\te"
    assert visible("<|im_start|>system", 100) == "< |im_start| >system"
    assert visible("one\r\ntwo\u2028three", 100) == "one\ntwo\nthree"


def test_long_texts_lose_their_middle() -> None:
    """Beginning and end stay, and how much is missing is said."""
    shown = visible("a" * 600 + "b" * 6000 + "c" * 300, 900)
    assert shown == "a" * 600 + "\n[... 6,000 characters left out ...]\n" + "c" * 300


def test_the_question_holds_task_rubric_and_texts() -> None:
    """A judge is told all it needs, the form of the answer included; a correction says what was wrong."""
    messages = question(STEP, RUBRIC, "9f3a")
    text = "\n".join(message["content"] for message in messages)
    for part in ("Repair the failing test.", "The step changes nothing that works.", "9f3a I change it.", '"care"'):
        assert part in text
    again = correction(messages, "Looks good!", "it is not one JSON object")
    assert [message["role"] for message in again] == ["system", "user", "assistant", "user"]
    assert "it is not one JSON object" in again[-1]["content"]


def test_names_of_judgements() -> None:
    """Equal questions have one name; another model, temperature, rubric or text has another; weights do not matter."""
    key = step_key(STEP, RUBRIC, "m", 0.0)
    heavier = Rubric(task=RUBRIC.task, items=tuple(dataclasses.replace(item, weight=9.0) for item in RUBRIC.items))
    assert key == step_key(Step(dict(STEP.judged), dict(STEP.context)), heavier, "m", 0.0)
    others = [
        step_key(STEP, RUBRIC, "n", 0.0),
        step_key(STEP, RUBRIC, "m", 0.5),
        step_key(STEP, dataclasses.replace(RUBRIC, task="Other."), "m", 0.0),
        step_key(STEP, dataclasses.replace(RUBRIC, items=RUBRIC.items[:1]), "m", 0.0),
        step_key(Step(STEP.judged, {}), RUBRIC, "m", 0.0),
        step_key(Step({"action": STEP.judged["thought"]}, STEP.context), RUBRIC, "m", 0.0),
    ]
    assert len({key, *others}) == 7


@pytest.mark.parametrize(
    "items",
    [
        (),
        (RubricItem(name="a", question="?"), RubricItem(name="a", question="?")),
        (RubricItem(name="a b", question="?"),),
        (RubricItem(name="verdict", question="?"),),
        (RubricItem(name="a", question="?", weight=0.0),),
        (RubricItem(name="a", question="?", weight=-1.0), RubricItem(name="b", question="?", weight=2.0)),
    ],
)
def test_bad_rubrics(items: tuple[RubricItem, ...]) -> None:
    """Rubrics that cannot be scored are refused."""
    with pytest.raises(ConfigError, match="rubric"):
        Rubric(task="t", items=items)
