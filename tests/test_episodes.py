import pytest
import torch

from envreward.episodes import EpisodeTracker, Transition
from envreward.vector_env import make_vector_env

FITNESS = [[1.0, 5.0], [4.0, -2.0], [2.0, 3.0]]


def transition(fitness, success=(False, False), terminated=(False, False), truncated=(False, False)):
    none = torch.zeros(2, 1)
    flags = [torch.tensor(x) for x in (terminated, truncated, success)]
    return Transition(none, none, flags[0], flags[1], {}, flags[2], torch.tensor(fitness), *torch.zeros(2, 2).bool())


@pytest.mark.parametrize(("reduce", "expected"), [("sum", 7.0), ("mean", 7.0 / 3), ("max", 4.0), ("last", 2.0)])
def test_fitness_is_reduced_as_the_task_says(reduce, expected):
    """Sum, mean, largest or last of the per-step fitness, over one episode alone."""
    tracker = EpisodeTracker(2, reduce)
    for _ in range(2):  # the second episode must not see the first
        assert tracker.update(transition(FITNESS[0])) is None
        assert tracker.update(transition(FITNESS[1])) is None
        episodes = tracker.update(transition(FITNESS[2], truncated=(True, False)))
        assert episodes.ids.tolist() == [0] and episodes.length.tolist() == [3]
        assert episodes.fitness.item() == pytest.approx(expected)


def test_largest_fitness_may_be_negative():
    """The largest of negative values is the one nearest zero, not zero."""
    tracker = EpisodeTracker(2, "max")
    tracker.update(transition([-3.0, 0.0]))
    episodes = tracker.update(transition([-2.0, 0.0], terminated=(True, False)))
    assert episodes.fitness.tolist() == [-2.0]


def test_success_counts_if_it_held_at_some_step():
    """Success at any step of the episode counts for it, and for none after it."""
    tracker = EpisodeTracker(2)
    tracker.update(transition([0.0, 0.0], success=(True, False)))
    first = tracker.update(transition([0.0, 0.0], terminated=(True, True)))
    second = tracker.update(transition([0.0, 0.0], success=(False, True), truncated=(True, True)))
    assert first.success.tolist() == [True, False] and second.success.tolist() == [False, True]


def test_returns_and_components_are_sums_of_each_world():
    """Rewards and their components add up per world; without rewards the return is missing, not zero."""
    tracker = EpisodeTracker(2)
    parts = {"reach": torch.tensor([0.5, 0.0])}
    tracker.update(transition([0.0, 0.0]), torch.tensor([1.0, 2.0]), parts)
    episodes = tracker.update(transition([0.0, 0.0], terminated=(True, False)), torch.tensor([1.5, 2.0]), parts)
    assert episodes.episode_return.tolist() == [2.5] and episodes.components["reach"].tolist() == [1.0]
    later = tracker.update(transition([0.0, 0.0], terminated=(True, True)), torch.tensor([3.0, 2.0]), parts)
    assert later.episode_return.tolist() == [3.0, 6.0] and later.length.tolist() == [1, 3]
    assert EpisodeTracker(2).update(transition([0.0, 0.0], terminated=(True, True))).episode_return is None


def test_reset_forgets_running_episodes():
    """After a reset of some worlds their episodes begin anew; the others go on."""
    tracker = EpisodeTracker(2, "sum")
    tracker.update(transition([1.0, 1.0], success=(True, True)))
    tracker.reset(torch.tensor([0]))
    episodes = tracker.update(transition([1.0, 1.0], terminated=(True, True)))
    assert episodes.fitness.tolist() == [1.0, 2.0] and episodes.length.tolist() == [1, 2]
    assert episodes.success.tolist() == [False, True]


def test_agrees_with_a_loop_over_single_worlds():
    """On a real environment the episodes equal those of bookkeeping by hand."""
    env = make_vector_env("Hopper", 5, max_episode_steps=40)
    env.reset(seed=0)
    tracker = EpisodeTracker(5, env.task.fitness_reduce)
    by_hand = [[0, 0.0] for _ in range(5)]
    generator, seen = torch.Generator().manual_seed(0), 0
    for _ in range(90):
        step = env.advance(2 * torch.rand((5, 3), generator=generator) - 1)
        reward = env.rewards(step).total
        episodes = tracker.update(step, reward)
        ended = []
        for world, running in enumerate(by_hand):
            running[0] += 1
            running[1] += reward[world].item()
            if step.terminated[world] or step.truncated[world]:
                ended.append((world, running[0], pytest.approx(running[1]), step.fitness[world].item()))
                by_hand[world] = [0, 0.0]
        if ended:
            rows = (episodes.ids, episodes.length, episodes.episode_return, episodes.fitness)
            assert list(zip(*(row.tolist() for row in rows), strict=True)) == ended
        else:
            assert episodes is None
        seen += len(ended)
    assert seen > 10
