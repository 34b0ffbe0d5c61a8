"""Budget: the hard limits of a study, checked before each action against what the record says was spent.

A limit is never passed. The search stops in front of the action that would pass one; what it would cost to
retrain the winner and the baselines on fresh seeds is set aside first, so that a study that ran into a limit
still ends with a fair comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

from envreward.errors import BudgetExceededError, ConfigError


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Hard limits of one study; ``None`` is no limit."""

    env_steps: int | None = None
    """Environment steps of all trainings together."""
    trainings: int | None = None
    """Policies trained; a candidate trained with 3 seeds counts 3."""
    llm_calls: int | None = None
    """Answers asked of the language model."""
    tokens: int | None = None
    """Prompt and completion tokens together."""
    usd: float | None = None
    """What the language model may cost, US dollars."""
    wall_s: float | None = None
    """Wall-clock seconds, summed over the sessions of a study that was stopped and resumed."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"the limit on {_WORDS[name]} must be positive, got {value}")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a study has used so far, by its record."""

    env_steps: int = 0
    trainings: int = 0
    llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0
    """``None`` when a call's price is not known."""
    wall_s: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an action is going to use."""

    env_steps: int = 0
    trainings: int = 0
    wall_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            env_steps=self.env_steps + other.env_steps,
            trainings=self.trainings + other.trainings,
            wall_s=self.wall_s + other.wall_s,
        )

    def times(self, n: int) -> Cost:
        """Return the cost of doing it ``n`` times."""
        return Cost(env_steps=self.env_steps * n, trainings=self.trainings * n, wall_s=self.wall_s * n)


_WORDS = {
    "env_steps": "environment steps",
    "trainings": "trainings",
    "llm_calls": "language-model calls",
    "tokens": "tokens",
    "usd": "US dollars",
    "wall_s": "wall-clock seconds",
}


def limit_in_the_way(budget: Budget, spent: Spent, cost: Cost) -> str | None:
    """Return the sentence that names the first limit which ``cost`` would pass, or ``None`` when all hold."""
    for name in ("env_steps", "trainings", "wall_s"):
        limit, used, more = getattr(budget, name), getattr(spent, name), getattr(cost, name)
        if limit is not None and used + more > limit:
            return f"limit on {_WORDS[name]} ({limit:,.0f}): {used:,.0f} used, {more:,.0f} more needed"
    return None


def affordable(budget: Budget, spent: Spent, each: Cost, reserve: Cost, wanted: int) -> tuple[int, str | None]:
    """Return how many of ``wanted`` actions fit beside ``reserve``, and the limit that stopped the next one."""
    for n in range(wanted, 0, -1):
        if limit_in_the_way(budget, spent, each.times(n) + reserve) is None:
            break
    else:
        n = 0
    reason = limit_in_the_way(budget, spent, each.times(n + 1) + reserve) if n < wanted else None
    return n, reason


def check_llm(budget: Budget, spent: Spent) -> None:
    """Check that the language model may be asked once more at all.

    Raises:
        BudgetExceededError: Calls, tokens or money are used up, or the time is over.
    """
    for name in ("llm_calls", "tokens", "usd", "wall_s"):
        limit, used = getattr(budget, name), getattr(spent, name)
        if limit is not None and used is not None and used >= limit:
            raise BudgetExceededError(f"limit on {_WORDS[name]} ({limit:,.6g}) is used up")
