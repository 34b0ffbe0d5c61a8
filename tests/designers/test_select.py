"""Select: best-of and its ties, and the nearest miss."""

from __future__ import annotations

from envreward.designers.select import best_by, best_of_iterations, final_score, nearest_miss, peak_score
from envreward.studies.records import Candidate, Evaluation, Status, Traces


def made(
    name: str,
    fitness: float | None,
    *,
    iteration: int = 0,
    peak: tuple[float | None, ...] = (),
    status: Status = Status.EVALUATED,
) -> Candidate:
    evaluations = (
        ()
        if fitness is None
        else (Evaluation(member="m", seed=0, episodes=1, success=0, fitness=fitness, episode_length=1),)
    )
    return Candidate(
        id=name, iteration=iteration, index=0, answer="", source=None, status=status,
        traces=Traces(steps=tuple(range(len(peak))), fitness=peak), evaluations=evaluations,
    )  # fmt: skip


def test_best_is_the_highest_and_the_earliest_of_equals() -> None:
    """Argmax as in the release; negative scores count, a missing score is not a zero."""
    candidates = [made("a", -5.0), made("b", None), made("c", -2.0), made("d", -2.0)]
    assert best_by(candidates, final_score) is candidates[2]
    assert best_by([made("b", None)], final_score) is None


def test_peak_ignores_what_was_not_measured() -> None:
    """The highest fitness met in training, whatever the end was."""
    assert peak_score(made("a", 1.0, peak=(None, 4.0, 2.0))) == 4.0
    assert peak_score(made("a", 1.0, peak=(None, None))) is None


def test_one_per_iteration() -> None:
    """Iterations without a scored candidate are left out."""
    history = [made("a", 1.0), made("b", 2.0), made("c", None, iteration=1), made("d", 0.0, iteration=2)]
    assert [c.id for c in best_of_iterations(history, final_score)] == ["b", "d"]


def test_nearest_miss() -> None:
    """What ran and failed is nearer than what was rejected, and that nearer than what could not be read."""
    order = [Status.UNPARSED, Status.REJECTED, Status.FAILED, Status.FAILED, Status.FILTERED, Status.EVALUATED]
    candidates = [made(str(i), None, status=s) for i, s in enumerate(order)]
    found = nearest_miss(candidates)
    assert found is not None and found.id == "2"
    assert nearest_miss(candidates[4:]) is None
