"""LLMJudge: a step reward by a language model with a rubric, and what keeps agents from talking it round.

The way of a step: what says nothing is failed by rule (`judge_guard`); what has been judged before comes from the cache
(`judge_cache`); the rest is asked, one request per step, so that no step's text is seen while another's is judged
(`judge_prompt`). Each batch of requests carries a control item: an attack that is known to deserve nothing, in the
surroundings of a real step. A judge that lets it pass is not believed about the rest of that batch.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from envreward.errors import BudgetExceededError, ConfigError
from envreward.llm.base import LLM, NO_USAGE, Usage

from .function import RewardOutput
from .judge_batch import CONTROLS, Batch, JudgeConfig
from .judge_cache import JudgementCache
from .judge_guard import is_vacuous
from .judge_prompt import MAX_SCORE, Judgement, Rubric, RubricItem, Step, failed, step_key, visible

__all__ = ["CONTROLS", "JudgeConfig", "JudgeReport", "Judgement", "LLMJudge", "Rubric", "RubricItem"]

logger = logging.getLogger("envreward.rewards")

_DEFAULT = JudgeConfig()


@dataclass
class JudgeReport:
    """What became of the steps given to a judge, and what it cost."""

    steps: int = 0
    """All steps given."""
    vacuous: int = 0
    """Said nothing and scored 0 unasked."""
    repeated: int = 0
    """Answered from the cache, or by another step of the same call."""
    judged: int = 0
    """Asked about and answered."""
    unusable: int = 0
    """Missing: no usable answer in all attempts, or none at all."""
    distrusted: int = 0
    """Missing: the control item of the batch passed, or was not answered."""
    unpaid: int = 0
    """Missing: the budget had ended."""
    batches: int = 0
    controls_passed: int = 0
    """Batches thrown away because the judge let the control item pass."""
    usage: Usage = NO_USAGE
    """Calls, tokens and USD, control items included."""


class LLMJudge:
    """A reward in [0, 1] per step: the weighted mean of a language model's scores on a rubric.

    ``total = sum_i weight_i score_i / (10 sum_i weight_i)`` with whole scores from 0 to 10; all are 0 where the verdict
    is ``fail``. Components: each item's score in [0, 1], ``verdict`` (1 for pass), ``missing``. **A step without a
    judgement is NaN in everything but** ``missing`` **(1 there)**: unmeasured, not bad. Whoever trains on it masks it;
    training that does not stops at the NaN instead of learning from it. `report` says why steps are missing.

    Sources: step rewards by a model with a rubric, as in generative verifiers and *Rubrics as rewards* (Gunjal et al.,
    arXiv 2507.17746). The defences answer Zhao et al., *One token to fool LLM-as-a-judge* (arXiv 2507.08794): empty
    texts, lone punctuation and solution openers in several languages never reach the model; what does is quoted behind
    a nonce that no agent can know, with control characters made visible; each score above zero must quote words that
    occur in the judged text; and a judge that passes a control attack loses its batch.

    When to use it: for what has no test, such as whether a plan, a search or an edit served the task, over recorded
    rollouts or in small environments. Not in the inner loop of training from scratch: it is a network call, not a
    batched function. Where facts decide, use them.

    Known failures: a model's taste is no ground truth, and a policy trained on it for long finds what it likes; the
    quotation shows that words are there, not that they are true; scores of different models or prompts do not compare.
    Keep its weight small beside the outcome; recorded as a field it can be gated (`GatedAccumulation`).

    Judgements are kept by content (rubric, model, temperature and the texts as shown), so that equal questions are paid
    for once, across runs too where ``cache`` names a file. Answers that cannot be used and batches that were thrown
    away are not kept. Used by one thread at a time; requests of a batch go out together, as many as the model allows.
    """

    def __init__(
        self,
        llm: LLM,
        rubric: Rubric,
        *,
        judged: Sequence[str],
        context: Sequence[str] = (),
        cache: Path | None = None,
        config: JudgeConfig = _DEFAULT,
        secret: str | None = None,
    ) -> None:
        """Open the cache; nothing is asked yet.

        Args:
            llm: The model; its caps on calls and USD are the judge's budget (see `envreward.llm.open_llm`).
            rubric: What makes a step good.
            judged: Text fields that the agent wrote or caused: what the scores are about.
            context: Further fields, text or numbers, that help to understand them, such as ``instruction``.
            cache: File of judgements; ``None``: this object's memory.
            config: How it asks.
            secret: What nonces are derived from. ``None`` draws one; fixed ones make requests repeat word for word, as
                recordings need, and must stay unknown to agents.

        Raises:
            ConfigError: No judged field, a field in both lists, or a cache that is something else.
        """
        if not judged or set(judged) & set(context):
            raise ConfigError("a judge needs at least one field to judge, and none of them among the context")
        self.llm, self.rubric, self.config = llm, rubric, config
        self.doc = f"LLM judge {llm.model}: {', '.join(item.name for item in rubric.items)}."
        self.report = JudgeReport()
        self._judged, self._context = tuple(judged), tuple(context)
        self._cache = JudgementCache(cache)
        self._secret = secrets.token_hex(16) if secret is None else secret

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return (*self._judged, *self._context)

    def __call__(self, **state: Any) -> RewardOutput:
        """Judge N steps given as field values: lists of N strings, or tensors ``[N, ...]``; see `judge`."""
        judgements = self.judge(state)
        rows = [self._numbers(judgement) for judgement in judgements]
        names = ["total", *(item.name for item in self.rubric.items), "verdict", "missing"]
        columns = torch.tensor(rows, dtype=torch.float32).reshape(-1, len(names)).unbind(1)
        components = dict(zip(names, columns, strict=True))
        return RewardOutput(components.pop("total"), components)

    def judge(self, state: Mapping[str, Any]) -> list[Judgement | None]:
        """Return the judgement of each of N steps, ``None`` where there is none.

        Raises:
            ConfigError: A judged field is not text, or a field has another length than the others.
            BudgetExceededError: The budget ended and ``config.when_spent`` is ``raise``. What came before is kept, so a
                later call with a larger budget goes on from there.
            LLMUnavailableError: Asking again cannot help (no key, unknown model).
            LLMError: Of a batch, no request was answered at all.
        """
        steps = self._steps(state)
        self.report.steps += len(steps)
        found: dict[str, Judgement | None] = {}
        wanted: dict[str, Step] = {}
        keys: list[str | None] = []
        for step in steps:
            if step is None:
                self.report.vacuous += 1
                keys.append(None)
                continue
            key = step_key(step, self.rubric, self.llm.model, self.config.temperature)
            keys.append(key)
            if key in found or key in wanted:
                self.report.repeated += 1
            elif (kept := self._cache.get(key)) is not None and kept.trusted:
                self.report.repeated += 1
                found[key] = kept.judgement
            else:
                wanted[key] = step
        for batch in _batches(wanted, self.config.batch_size):
            found.update(self._ask_batch(batch))
        nothing = failed(self.rubric)
        return [nothing if key is None else found[key] for key in keys]

    def close(self) -> None:
        """Close the cache's file."""
        self._cache.close()

    def _ask_batch(self, steps: Mapping[str, Step]) -> dict[str, Judgement | None]:
        """Return the judgements of some steps; all ``None`` where their control item did not fail as it should."""
        batch = Batch(self.llm, self.rubric, self.config, self._cache, self._secret, steps)
        self.report.batches += 1
        try:
            batch.ask_all()
        finally:
            self.report.usage += batch.usage
        result = self._believe(batch)
        if batch.refusal is not None and self.config.when_spent == "raise":
            raise BudgetExceededError(f"{batch.refusal}; judgements so far are kept")
        return result

    def _believe(self, batch: Batch) -> dict[str, Judgement | None]:
        report, judgements = self.report, batch.judgements
        present = [key for key, judgement in judgements.items() if judgement is not None]
        absent = len(judgements) - len(present)
        if batch.refusal is None:
            report.unusable += absent
        else:
            report.unpaid += absent
        if batch.control_passed is False:
            self._cache.trust(present)
            report.judged += len(present)
            return judgements
        report.distrusted += len(present)
        if batch.control_passed:
            report.controls_passed += 1
            self._cache.drop(present)
            logger.warning(
                "the judge %s let a control item pass (%r): %d judgements are thrown away; use a stronger model",
                self.llm.model,
                batch.control_text[:60],
                len(present),
            )
        return dict.fromkeys(judgements)

    def _steps(self, state: Mapping[str, Any]) -> list[Step | None]:
        """Return the steps as they are shown, ``None`` for those that say nothing.

        That is decided by the texts as they came: made visible, zero-width characters would look like letters.
        """
        lengths = {len(state[name]) for name in self.parameters}
        if len(lengths) > 1:
            raise ConfigError(f"a judge's fields must be equally long, got {sorted(lengths)} steps")
        for name in self._judged:
            if isinstance(state[name], Tensor) or not all(isinstance(value, str) for value in state[name]):
                raise ConfigError(f"field {name} cannot be judged: it is not text; numbers may be context")
        shown = {name: [self._show(value) for value in state[name]] for name in self.parameters}
        return [
            None
            if is_vacuous("\n".join(texts), self.config.min_letters)
            else Step({name: shown[name][n] for name in self._judged}, {name: shown[name][n] for name in self._context})
            for n, texts in enumerate(zip(*(state[name] for name in self._judged), strict=True))
        ]

    def _show(self, value: Any) -> str:
        if isinstance(value, Tensor):
            numbers = [f"{number:.6g}" for number in value.reshape(-1).tolist()]
            value = " ".join(numbers)
        return visible(str(value), self.config.max_chars)

    def _numbers(self, judgement: Judgement | None) -> list[float]:
        if judgement is None:
            return [float("nan")] * (len(self.rubric.items) + 2) + [1.0]
        scores = [judgement.scores[item.name] / MAX_SCORE for item in self.rubric.items]
        return [judgement.total(self.rubric), *scores, float(judgement.verdict == "pass"), 0.0]


def _batches(wanted: Mapping[str, Step], size: int) -> Iterator[dict[str, Step]]:
    keys = list(wanted)
    for start in range(0, len(keys), size):
        yield {key: wanted[key] for key in keys[start : start + size]}
