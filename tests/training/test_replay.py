"""The replay: what was written comes back, with the right next observation, discount and weight."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from envreward.training.replay import FAULTED, FIRST, TERMINATED, TRUNCATED, Chunk, Replay

WORLDS, GAMMA = 3, 0.9


class History:
    """A made-up experience: what world n shows at time t is (t, n), at the end of an episode (t + 0.5, n)."""

    def __init__(self, steps: int, seed: int = 0, faults: bool = True) -> None:
        generator = torch.Generator().manual_seed(seed)
        draw = torch.rand(steps, WORLDS, generator=generator)
        self.terminated = draw < 0.1
        self.truncated = (draw > 0.85) & ~self.terminated
        self.faulted = self.truncated & (draw > 0.95) if faults else torch.zeros_like(self.truncated)
        self.ended = self.terminated | self.truncated
        self.first = torch.cat((torch.ones(1, WORLDS, dtype=torch.bool), self.ended[:-1]))
        self.reward = torch.randn(steps, WORLDS, generator=generator)
        self.steps = steps

    def obs(self, t: int) -> Tensor:
        return torch.stack((torch.full((WORLDS,), float(t)), torch.arange(float(WORLDS))), -1)

    def chunk(self, start: int, stop: int) -> Chunk:
        rows = slice(start, stop)
        flags = self.first * FIRST + self.terminated * TERMINATED + self.truncated * TRUNCATED + self.faulted * FAULTED
        obs = torch.stack([self.obs(t) for t in range(start, stop)])
        finals = (obs + torch.tensor([0.5, 0.0]))[self.truncated[rows]]
        return Chunk(obs, obs[..., :1] * 10, self.reward[rows], flags[rows].to(torch.uint8), finals, self.obs(stop))

    def expected(self, t: int, n: int, n_step: int) -> tuple[float, float, float]:
        """Return the reward, time of the next observation, and discount of a transition, by walking along it."""
        total, factor, at = 0.0, 1.0, t
        for at in range(t, min(t + n_step, self.steps)):
            if at > t and self.faulted[at, n]:
                return total, float(at), factor
            total, factor = total + factor * float(self.reward[at, n]), factor * GAMMA
            if self.terminated[at, n]:
                return total, -1.0, 0.0
            if self.truncated[at, n]:
                return total, at + 0.5, factor
        return total, at + 1.0, factor


@pytest.mark.parametrize("n_step", [1, 3, 5])
@pytest.mark.parametrize("slots", [64, 200])
def test_draws_are_what_happened(n_step: int, slots: int) -> None:
    """Rewards, next observations and discounts are those of walking along each world's steps, n-step or not.

    Time limits lead to the final observation, ends to nothing, faults have no weight and nothing is summed across them,
    nothing older than the replay's size is drawn and everything else is.
    """
    history, replay = History(160), Replay(slots, WORLDS, 2, 1)
    for start in range(0, 160, 20):
        replay.write(history.chunk(start, start + 20))
    drawn = replay.sample(4000, n_step, GAMMA, torch.Generator().manual_seed(1))
    seen = set()
    for i in range(4000):
        t, n = (int(x) for x in drawn.obs[i])
        seen.add((t, n))
        assert float(drawn.action[i]) == 10 * t
        assert float(drawn.weight[i]) == float(not history.faulted[t, n])
        if history.faulted[t, n]:
            continue
        reward, following, discount = history.expected(t, n, n_step)
        assert float(drawn.reward[i]) == pytest.approx(reward, abs=1e-5)
        assert float(drawn.discount[i]) == pytest.approx(discount, abs=1e-6)
        if discount:
            assert drawn.next_obs[i].tolist() == [following, n]
    assert seen == {(t, n) for t in range(max(0, 160 - slots), 160) for n in range(WORLDS)}


def test_many_cut_offs_fit() -> None:
    """The room for final observations grows while the ring turns, and each cut-off keeps its own."""
    history, replay = History(1200, faults=False), Replay(1000, WORLDS, 2, 1)
    history.terminated[:] = False
    history.truncated[:300], history.truncated[300:] = False, True
    history.ended = history.truncated
    for start in range(0, 1200, 100):
        replay.write(history.chunk(start, start + 100))
    drawn = replay.sample(3000, 1, GAMMA, torch.Generator().manual_seed(0))
    late = drawn.obs[:, 0] >= 300
    torch.testing.assert_close(drawn.next_obs[late, 0], drawn.obs[late, 0] + 0.5)
    torch.testing.assert_close(drawn.next_obs[~late, 0], drawn.obs[~late, 0] + 1.0)


@pytest.mark.parametrize("turns", [60, 150])
def test_read_and_written_again_it_draws_the_same(turns: int) -> None:
    """A replay rebuilt from what was read in parts, the oldest lost, draws the same transitions bit for bit."""
    history, replay, parts = History(turns), Replay(50, WORLDS, 2, 1), []
    for start in range(0, turns, 10):
        replay.write(history.chunk(start, start + 10))
        parts.append((start, replay.read(start)))
    rebuilt = Replay(50, WORLDS, 2, 1)
    for start, part in parts[-6:]:
        rebuilt.write(part, start)
    whole = Replay(50, WORLDS, 2, 1)
    whole.write(replay.read(0), turns - 50)
    taken = Replay(50, WORLDS, 2, 1)
    taken.take_over(replay.share())
    expected = replay.sample(500, 3, GAMMA, torch.Generator().manual_seed(2))
    for other in (rebuilt, whole, taken):
        found = other.sample(500, 3, GAMMA, torch.Generator().manual_seed(2))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_worlds_that_start_anew_cut_their_episodes_off() -> None:
    """Where worlds begin again without an end before, the last step leads to the observation that was there."""
    history, replay = History(20, faults=False), Replay(50, WORLDS, 2, 1)
    history.terminated[9] = history.truncated[9] = False
    replay.write(history.chunk(0, 10))
    history.first[10] = torch.tensor([True, True, False])
    moved = history.chunk(10, 20)
    moved.obs[:, :, 0] += 100.0
    replay.write(moved)
    drawn = replay.sample(2000, 1, GAMMA, torch.Generator().manual_seed(0))
    last = drawn.obs[:, 0] == 9
    for n, expected in enumerate((10.0, 10.0, 110.0)):
        rows = last & (drawn.obs[:, 1] == n)
        assert rows.any()
        assert set(drawn.next_obs[rows, 0].tolist()) == {expected}
        torch.testing.assert_close(drawn.discount[rows], torch.full((int(rows.sum()),), GAMMA))
