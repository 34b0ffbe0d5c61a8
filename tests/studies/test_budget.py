"""Budgets: no limit is ever passed, and what the final comparison needs is set aside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward.errors import BudgetExceededError, ConfigError
from envreward.studies import Budget, Spent
from envreward.studies.budget import Cost, affordable, check_llm, limit_in_the_way

steps = st.integers(0, 1000)


@given(limit=st.integers(1, 1000), used=steps, each=st.integers(1, 300), reserve=steps, wanted=st.integers(0, 20))
def test_what_is_affordable_never_passes_the_limit(limit: int, used: int, each: int, reserve: int, wanted: int) -> None:
    """The number granted fits beside the reserve, one more would not, and a refusal always names the limit."""
    budget, spent = Budget(env_steps=limit), Spent(env_steps=used)
    n, reason = affordable(budget, spent, Cost(env_steps=each), Cost(env_steps=reserve), wanted)
    assert 0 <= n <= wanted
    if n:
        assert used + n * each + reserve <= limit
    if n < wanted:
        assert used + (n + 1) * each + reserve > limit
        assert reason is not None and "environment steps" in reason
    else:
        assert reason is None


def test_the_first_limit_in_the_way_is_named_with_its_numbers() -> None:
    """A refusal says which limit, how much is used and how much more was needed."""
    budget = Budget(env_steps=1000, trainings=3, wall_s=60)
    assert limit_in_the_way(budget, Spent(env_steps=500), Cost(env_steps=500)) is None
    text = limit_in_the_way(budget, Spent(trainings=3, wall_s=10), Cost(trainings=1))
    assert text == "limit on trainings (3): 3 used, 1 more needed"
    assert limit_in_the_way(budget, Spent(wall_s=50), Cost(wall_s=10)) is None
    assert limit_in_the_way(Budget(), Spent(env_steps=10**12), Cost(env_steps=10**12)) is None


@pytest.mark.parametrize(
    ("budget", "spent", "word"),
    [
        (Budget(llm_calls=5), Spent(llm_calls=5), "calls"),
        (Budget(tokens=10), Spent(prompt_tokens=6, completion_tokens=4), "tokens"),
        (Budget(usd=0.5), Spent(usd=0.5), "US dollars"),
        (Budget(wall_s=2), Spent(wall_s=2.5), "wall-clock"),
    ],
)
def test_a_used_up_limit_stops_the_asking(budget: Budget, spent: Spent, word: str) -> None:
    """A designer is not asked once calls, tokens, money or time are used up."""
    with pytest.raises(BudgetExceededError, match=word):
        check_llm(budget, spent)
    check_llm(Budget(), spent)


@pytest.mark.parametrize("name", ["env_steps", "trainings", "llm_calls", "tokens", "usd", "wall_s"])
def test_a_limit_must_be_positive(name: str) -> None:
    """A limit of nothing or less is a mistake, said at once."""
    with pytest.raises(ConfigError, match="must be positive"):
        Budget(**{name: 0})
