"""VeRPO: a dense reward from unit tests, each weighted by how seldom it is passed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .parts import as_float, is_set, united
from .sequence import Flow, Memory

_LEAST_BANDWIDTH = 1e-3
"""Least width of the kernel. Where all pass rates are equal the paper's half standard deviation is zero, and so is each
difference that it divides; each kernel is then 1, every test as common as all others. Below a thousandth, differences
between running rates are rounding and chance."""


@dataclass(frozen=True, kw_only=True)
class VeRPO:
    """Pays the passed tests of a step by estimated difficulty, and the outcome of the episode at its end.

    Source: Wang et al., *VeRPO: verifiable dense reward policy optimization for code generation* (arXiv 2601.03525;
    equation numbers of version 3, *Beyond binary: turning partial success into dense verifiable rewards ...*):

    * Eq. 3, pass rate of test j in the group: ``rho_j = passes_j / turns_j``;
    * Eq. 7, how common such a pass rate is: ``N_j = sum_k exp(-(rho_j - rho_k)^2 / (2 sigma^2))``, ``sigma`` half the
      standard deviation of the pass rates (as in version 1, beside its Eq. 4; population form);
    * Eqs. 8 and 9, weight: ``w_j = exp(-alpha rho_j) / (N_j + delta)``;
    * Eq. 10, local reward of turn t: ``R_turn(t) = sum_j w_j p_j(t)``, with ``p_j(t)`` 1 where test j passed;
    * Eq. 11, global reward: ``R_traj = outcome * gamma^turns``;
    * Eq. 14, both together: ``R_traj + beta R_turn``. The paper adds *advantages*, each the reward minus its mean over
      the group (Eqs. 12 and 13). Here the learner's critic subtracts what was to be expected; `centred` subtracts the
      mean of ``R_turn``, which by Eqs. 4 and 5 is ``sum_j w_j rho_j``, from the local part itself.

    Where it departs from the paper: there, a group is all turns of a batch of attempts at one problem, known as a whole
    before any reward is computed. Here ``passes`` and ``turns`` run along, over all N worlds on the same problem: a
    step is weighted by all that was seen up to it, itself included, and what lies back fades by `decay` per step.
    With ``decay=1`` the last step of a batch has exactly the paper's weights. Tests that have never run take part in
    nothing. The statistics are the one memory that the start of an episode does not clear; each world keeps its own
    share, and the group's are their sum. Defaults of `alpha`, `beta`, `delta` and `decay` are this project's.

    When to use it: tests of different difficulty, of which a few hard ones decide. Plain pass rates make an agent
    content with the many easy ones (the paper's "cardinality bias").

    Known failures: an agent is paid in every step in which tests run, so unless runs are limited it earns by running
    them again; `centred` lessens this, and a mask that is set only after an edit ends it. A test that nobody passes has
    the largest weight, deserved or not: leave out tests that are broken or flaky. Where episodes draw different
    problems and no `group` tells which, the statistics are of places in the vector, not of tests. Rewards depend on
    what other worlds do and drift as the policy improves; returns of different times do not compare.
    """

    tests: int
    """Entries of the test fields, K: the most tests a problem has."""
    passed: str = "test_status"
    """Field ``[K]``: whether each test passed; bool, or floats of which only those above one half say so."""
    ran: str | None = "test_mask"
    """Field ``[K]`` of the same kind: whether each test exists and has run in this step; ``None``: all have, always."""
    outcome: str = "success"
    """Scalar field, read in an episode's last step: 1 where all is well, else 0."""
    group: str | None = None
    """Whole-number field with the number of the problem that a world is at, from 0; ``None``: all are at the same."""
    groups: int = 1
    """How many problems there are. Memory is ``16 * N * groups * K`` bytes for N worlds."""
    alpha: float = 1.0
    """How strongly seldom-passed tests are preferred."""
    delta: float = 1e-6
    """Keeps the density's denominator positive."""
    beta: float = 1.0
    """Weight of the local reward beside the global one."""
    gamma: float = 1.0
    """What the outcome loses per turn, within (0, 1]."""
    centred: bool = False
    """Whether the local reward has its group mean subtracted."""
    decay: float = 0.99
    """What is left of a statistic after each step, within (0, 1]."""
    doc: str = dataclasses.field(default="VeRPO, arXiv 2601.03525, Eqs. 3 and 7 to 14 of version 3.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if self.tests < 1 or self.groups < 1:
            raise ConfigError(f"tests and groups must be at least 1, got {self.tests} and {self.groups}")
        if self.group is None and self.groups > 1:
            raise ConfigError(f"{self.groups} groups need the field that tells them apart: group=...")
        for name in ("decay", "gamma"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} must be within (0, 1], got {getattr(self, name)}")
        if self.delta < 0.0 or self.beta < 0.0:
            raise ConfigError(f"delta and beta cannot be negative, got {self.delta} and {self.beta}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return united((self.passed,), filter(None, (self.ran, self.group)), (self.outcome,))

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin.

        ``passes`` and ``turns`` are each world's share of the statistics, float64 ``[N, groups, K]``; ``taken`` counts
        the turns of the running episode, int64 ``[N]``.
        """
        shape = (num_worlds, self.groups, self.tests)
        return {
            "passes": torch.zeros(shape, dtype=torch.float64),
            "turns": torch.zeros(shape, dtype=torch.float64),
            "taken": torch.zeros(num_worlds, dtype=torch.int64),
        }

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        Raises:
            ConfigError: The test fields have not ``tests`` entries, or a group's number is out of range.
        """
        ran, passed, group = self._read(flow, state)
        local = self._local(ran, passed, group, memory)
        taken = memory["taken"]
        turns = taken.new_empty(flow.first.shape)
        for t, first in enumerate(flow.first):
            taken.masked_fill_(first, 0).add_(1)
            turns[t] = taken
        outcome = as_float(state[self.outcome])
        ending = (outcome * self.gamma**turns).where(flow.last, 0.0)
        dense = self.beta * local.to(outcome.dtype)
        return RewardOutput(ending + dense, {"outcome": ending, "tests": dense})

    def _read(self, flow: Flow, state: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return which tests ran and passed as float64 ``[T, N, K]``, and the groups as int64 ``[T, N]``."""
        passed = is_set(state[self.passed])
        ran = torch.ones_like(passed) if self.ran is None else is_set(state[self.ran])
        for name, values in ((self.passed, passed), (self.ran, ran)):
            if values.shape[2:] != (self.tests,):
                raise ConfigError(
                    f"field {name} must have {self.tests} entries per world, got {list(values.shape[2:])}"
                )
        group = torch.zeros_like(flow.first, dtype=torch.int64) if self.group is None else state[self.group].long()
        if group.numel() and not 0 <= int(group.min()) <= int(group.max()) < self.groups:
            raise ConfigError(f"field {self.group} must be within 0 and {self.groups - 1}, as there are so many groups")
        return ran.double(), (passed & ran).double(), group

    def _local(self, ran: Tensor, passed: Tensor, group: Tensor, memory: Memory) -> Tensor:
        """Return ``R_turn`` ``[T, N]`` and add the steps to the statistics."""
        passes, turns = memory["passes"].sum(0), memory["turns"].sum(0)
        local = ran.new_empty(group.shape)
        for t, now in enumerate(group):
            passes.mul_(self.decay).index_add_(0, now, passed[t])
            turns.mul_(self.decay).index_add_(0, now, ran[t])
            present, row = now.unique(return_inverse=True)
            weights, rate = self.weights(passes[present], turns[present])
            gain = passed[t] - ran[t] * rate[row] if self.centred else passed[t]
            local[t] = (weights[row] * gain).sum(-1)
        self._remember(memory["passes"], passed, group)
        self._remember(memory["turns"], ran, group)
        return local

    def weights(self, passes: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weight of each test (Eq. 9) and its pass rate (Eq. 3), ``[G, K]`` each, 0 where it never ran.

        Args:
            passes: How often each test of G groups passed, ``[G, K]``.
            turns: How often it ran, ``[G, K]``.
        """
        known = turns > 0.0
        rate = torch.where(known, passes / turns.where(known, 1.0), 0.0)
        count = known.sum(-1, keepdim=True).clamp(min=1)
        spread = (rate - rate.sum(-1, keepdim=True) / count).where(known, 0.0)
        sigma = (spread.square().sum(-1, keepdim=True) / count).sqrt() / 2.0
        distance = (rate.unsqueeze(-1) - rate.unsqueeze(-2)) / sigma.clamp(min=_LEAST_BANDWIDTH).unsqueeze(-1)
        density = (torch.exp(-distance.square() / 2.0) * known.unsqueeze(-2)).sum(-1)
        weights = torch.exp(-self.alpha * rate) / (density + self.delta)
        return weights.where(known, 0.0), rate

    def _remember(self, share: Tensor, values: Tensor, group: Tensor) -> None:
        """Bring each world's share of a statistic ``[N, groups, K]`` up to date with ``values`` ``[T, N, K]``."""
        steps, worlds = group.shape
        share.mul_(self.decay**steps)
        left = self.decay ** torch.arange(steps - 1, -1, -1, device=values.device, dtype=values.dtype)
        world = torch.arange(worlds, device=values.device).expand_as(group)
        share.index_put_((world, group), values * left.view(-1, 1, 1), accumulate=True)
