"""Configuration of a training and the files through which it speaks to the world outside its sandbox.

A training is one folder:

    job.json                 `TrainingJob`: what to train
    rewards/<name>.py        source of each reward program
    metrics.jsonl            one `MetricRow` per member and rollout, appended as it trains
    members/<key>/policy.safetensors   policy weights and observation statistics; `policy.json` beside it says its form
    members/<key>/result.json          `MemberResult`: written once, when the member ends
    checkpoint/                        state to continue from after a kill
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

TrainerName = Literal["ppo", "sac", "sb3:ppo", "sb3:sac", "sb3:td3"]
CheckpointRule = Literal["final", "peak_return"]


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) of a population.

    Few worlds, short rollouts and small minibatches use each step well. That they leave a single member's products too
    small for the machine is no loss in a population, which computes them together. `benchmarks.training` has what was
    measured with these settings, and others that suit single robots.
    """

    num_worlds: int = 8
    """Worlds per member."""
    rollout_steps: int = 64
    """Steps per world between updates."""
    minibatch_size: int = 128
    """Transitions per gradient step and member."""
    epochs: int = 8
    """Passes over each rollout."""
    learning_rate: float = 3e-4
    """Of Adam, at the beginning."""
    lr_schedule: Literal["constant", "linear", "adaptive"] = "linear"
    """``linear`` decays to 0 over the training; ``adaptive`` follows ``target_kl`` (as rsl-rl does)."""
    target_kl: float | None = None
    """A member stops updating in a rollout once its approximate KL passes 1.5 times this; ``None``: never."""
    gamma: float = 0.99
    """Discount per step."""
    gae_lambda: float = 0.95
    """Decay of the advantage estimate's traces."""
    clip_range: float = 0.2
    """How far the policy's probability of an action may move within an update before its gradient stops."""
    value_coef: float = 0.5
    """Weight of the critic's mean squared error, as in Stable-Baselines3 (without the 1/2 that others write)."""
    entropy_coef: float = 0.0
    """Weight of the entropy, which keeps the policy exploring."""
    max_grad_norm: float = 0.5
    """Per member."""
    hidden_sizes: tuple[int, ...] = (64, 64)
    """Units of the hidden layers, of actor and critic each."""
    activation: Literal["tanh", "relu", "elu"] = "tanh"
    """Function between the layers."""
    init_log_std: float = -1.0
    """Logarithm of the action noise's standard deviation at the beginning."""
    spread_starts: bool = False
    """Whether the worlds' first episodes end early, each at another time, so that rollouts shorter than an episode hold
    all of its phases. For tasks whose episodes all take as long."""
    normalize_obs: bool = True
    """Centre and scale observations by their running statistics, per member."""
    normalize_reward: bool = True
    """Divide rewards by the running standard deviation of the discounted return, per member."""
    normalize_advantage: bool = True
    """Per minibatch."""
    obs_clip: float = 10.0
    """Standard deviations to which normalised observations are clipped."""
    obs_min_std: float = 1e-4
    """Least standard deviation that an entry of the observation is taken to have, in its own unit."""


@dataclass(frozen=True, kw_only=True)
class SACConfig:
    """Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905) of a population; needs bounded continuous actions.

    Transitions come from many worlds at once and are cheap; gradient steps are what costs. So there is one for several
    environment steps, each with a large batch, and to make the most of it returns are of three steps, rates three times
    the usual 3e-4, networks no larger than they need be, and rewards brought to one scale so that the temperature has
    not far to go. With Meta-World in mind: there a step costs 0.2 ms, a gradient step with these settings 5 to 6 ms of
    CPU time on a busy core (SB3's: 11 to 15; with 256 x 256 units 12 to 19, SB3's 23 to 28). On reach, success passed
    90% at 24,000 steps; at 56,000 it was at 62% with returns of one step, a gradient step in 16 and rewards ten times
    smaller.
    """

    num_worlds: int = 16
    """Worlds per member."""
    rollout_steps: int = 32
    """Steps per world between updates; rewards are computed once for all of them."""
    replay_size: int = 1_000_000
    """Transitions that each member keeps; the oldest are replaced. Never more than the training takes."""
    learning_starts: int = 5_000
    """Steps of a member, with uniformly random actions, before it learns."""
    updates_per_step: float = 1 / 8
    """Gradient steps per environment step of a member."""
    batch_size: int = 256
    """Transitions per gradient step and member, drawn uniformly from its replay."""
    n_step: int = 3
    """Rewards summed before the critics' estimate takes over, fewer where an episode ends (Sutton 1988)."""
    learning_rate: float = 1e-3
    """Of Adam, for actor and critics."""
    alpha_learning_rate: float = 1e-3
    """Of Adam, for the logarithm of the temperature."""
    spread_starts: bool = False
    """Whether the worlds' first episodes end early, each at another time: see `PPOConfig.spread_starts`."""
    init_alpha: float = 0.05
    """Temperature at the beginning: what a nat of entropy is worth, in rewards."""
    target_entropy: float | None = None
    """Entropy that the temperature steers to, nats; ``None``: minus the number of the action's entries."""
    gamma: float = 0.99
    """Discount per step."""
    tau: float = 0.01
    """Share of the critics that the target critics take over with each gradient step."""
    hidden_sizes: tuple[int, ...] = (128, 128)
    """Units of the hidden layers, of the actor and both critics each."""
    activation: Literal["tanh", "relu", "elu"] = "relu"
    """Function between the layers."""
    normalize_obs: bool = True
    """Centre and scale observations, when they are drawn, by their running statistics, per member."""
    normalize_reward: bool = True
    """Divide rewards, when they are drawn, by the running standard deviation of the discounted return, per member."""
    reward_scale: float = 10.0
    """Factor on the rewards, after that."""
    obs_clip: float = 10.0
    """Standard deviations to which normalised observations are clipped."""
    obs_min_std: float = 1e-4
    """Least standard deviation that an entry of the observation is taken to have, in its own unit."""


@dataclass(frozen=True, kw_only=True)
class RacingConfig:
    """Successive halving on fitness (Jamieson & Talwalkar 2016, arXiv:1502.07943)."""

    rungs: int = 3
    """Number of times at which members are compared, evenly spaced on a log2 scale of the budget."""
    keep: float = 0.5
    """Share of candidates that goes on from each rung."""
    min_survivors: int = 1


@dataclass(frozen=True, kw_only=True)
class Member:
    """One policy to train: one reward and one seed."""

    key: str
    """Unique in the job, safe as a file name, e.g. ``c003-s0``."""
    group: str
    """Members of one candidate share it; racing compares groups by the mean fitness of their members."""
    reward: str
    """``expert``, ``sparse``, or a path of a reward program relative to the training's folder."""
    seed: int
    """Seeds weights, exploration and resets; a member's results depend on nothing but itself and the settings."""
    learning: str = ""
    """How its reward is learned from the components of ``reward``: ``lare`` or ``heron``, with settings as in
    ``heron:pairs=steps`` (see `envreward.training.learned`). ``rnd:fields=...`` adds to the total what is new. Empty:
    nothing is learned."""


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One training of a population."""

    env_id: str
    members: tuple[Member, ...]
    total_steps: int
    """Environment steps per member."""
    trainer: TrainerName = "ppo"
    ppo: PPOConfig = field(default_factory=PPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    racing: RacingConfig | None = None
    processes: int = 0
    """Processes over which the population is split, one torch thread each; 0: one per available core, and one in all on
    a GPU, which all members share."""
    device: str = "cpu"
    """Where worlds, networks and replays live: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. Reward programs are evaluated on
    the CPU in any case."""
    checkpoint: CheckpointRule = "final"
    """Which policy of a member comes out: the last one, or the one that earned most of the member's own reward (see
    `envreward.training.peaks`)."""
    reward_timeout_s: float = 20.0
    """Longest a reward program may take over one rollout before its member is retired as ``timed_out``."""
    reward_memory_bytes: int = 2 * 1024**3
    """Memory a reward program's process may add before its member is retired as ``crashed``."""
    checkpoint_every_s: float = 30.0
    tensorboard: bool = True

    @property
    def population(self) -> bool:
        """Whether members train together, as a population; if not, Stable-Baselines3 trains one after another."""
        return self.trainer in ("ppo", "sac")

    @property
    def algorithm(self) -> PPOConfig | SACConfig:
        """Settings of the population's algorithm."""
        return self.sac if self.trainer == "sac" else self.ppo

    @property
    def on_cpu(self) -> bool:
        """Whether all of it happens on the CPU."""
        return self.device.partition(":")[0] == "cpu"

    @property
    def steps_per_update(self) -> int:
        """Environment steps that each member of a population takes between updates."""
        return self.algorithm.num_worlds * self.algorithm.rollout_steps

    @property
    def total_updates(self) -> int:
        """Rollouts and updates of a full training; the last rollout may go past ``total_steps``."""
        return math.ceil(self.total_steps / self.steps_per_update)

    def save(self, folder: Path) -> None:
        """Write ``job.json`` into ``folder``."""
        _write_whole(folder / "job.json", json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path) -> TrainingJob:
        """Read ``job.json`` from ``folder``."""
        return cls.from_json((folder / "job.json").read_text())

    @classmethod
    def from_json(cls, text: str) -> TrainingJob:
        """Read a job from the JSON that `save` writes."""
        raw = json.loads(text)
        raw["members"] = tuple(Member(**m) for m in raw["members"])
        for name, config in (("ppo", PPOConfig), ("sac", SACConfig)):
            if name in raw:  # what was written before SAC has no settings of it
                raw[name] = config(**raw[name] | {"hidden_sizes": tuple(raw[name]["hidden_sizes"])})
        raw["racing"] = RacingConfig(**raw["racing"]) if raw["racing"] else None
        return cls(**raw)


MemberStatus = Literal["trained", "failed", "timed_out", "crashed", "pruned"]


@dataclass(frozen=True, kw_only=True)
class MemberResult:
    """How one member's training ended."""

    key: str
    status: MemberStatus
    reason: str = ""
    """Why it is not ``trained``: one or two lines, with the program's line where one is to blame."""
    steps: int = 0
    """Environment steps it took."""
    wall_s: float = 0.0
    """Wall-clock time of the whole job until it ended."""

    def save(self, folder: Path) -> None:
        """Write ``members/<key>/result.json`` below the training's ``folder``."""
        target = folder / "members" / self.key
        target.mkdir(parents=True, exist_ok=True)
        _write_whole(target / "result.json", json.dumps(dataclasses.asdict(self)))

    @classmethod
    def load(cls, folder: Path, key: str) -> MemberResult | None:
        """Read a member's result, or return ``None`` while it has none."""
        path = folder / "members" / key / "result.json"
        return cls(**json.loads(path.read_text())) if path.exists() else None


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """What one member did in one rollout; a line of ``metrics.jsonl``. Means over the episodes that ended in it and
    count: all but those that the machinery under them ended and those that were cut short to spread the starts.

    ``None`` where no episode ended: missing is never 0.
    """

    key: str
    step: int
    """Environment steps the member had taken at the end of the rollout."""
    wall_s: float
    success: float | None
    """Share of episodes in which the success test held at some step."""
    fitness: float | None
    episode_return: float | None
    """Undiscounted sum of the member's own reward."""
    episode_length: float | None
    components: dict[str, float]
    """Mean per step over the rollout of each reward component."""
    reward_mean: float
    """Mean reward per step over the rollout."""
    entropy: float | None
    """``None``, like the numbers below, where the trainer has no such thing."""
    kl: float | None
    """Approximate KL divergence between the policies before and after the update (Schulman's k3 estimator)."""
    clip_fraction: float | None
    value_loss: float | None
    explained_variance: float | None
    learning_rate: float
    reward_s: float | None = None
    """Seconds that the process waited for the rewards of this rollout, of all members that train in it."""
    episodes: int = 0
    """Episodes that the means above are over."""
    broken: int = 0
    """Episodes that ended because the physics broke: a state that is not finite, or a warning of the simulator."""
    faults: int = 0
    """Episodes that the machinery under them ended; they count in nothing above."""
    alpha: float | None = None
    """Mean of SAC's temperature in the update."""
    value_mean: float | None = None
    """Mean of what SAC's critics said of the transitions drawn, on the scale of the normalised rewards."""

    @classmethod
    def from_json(cls, line: str) -> MetricRow:
        """Parse a line of ``metrics.jsonl``."""
        raw: dict[str, Any] = json.loads(line)
        return cls(**raw)


def _write_whole(path: Path, text: str) -> None:
    # Others read these files while the training runs, and a kill may come at any moment: all of it or nothing.
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)
