"""Instruction tasks on HalfCheetah: run backward, and flip over (after Text2Reward, arXiv:2309.11489)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.sims import Sim
from envreward.task import Behaviour

from .behaviours import NULL, half_cheetah_flip, half_turn_and_back, slide
from .feet import GeomHeights
from .flips import FlipTask
from .goals import GOAL_FIELDS, hold_doc, pose_fitness_doc
from .half_cheetah import HalfCheetah


def _backward(x_velocity: Tensor, action: Tensor) -> RewardOutput:
    components = {"reward_backward": -x_velocity, "reward_ctrl": -0.05 * action.square().sum(-1)}
    return RewardOutput(components["reward_backward"] + components["reward_ctrl"], components)


class HalfCheetahRunBackward(HalfCheetah):
    """Run towards -x. Success at half the distance that the forward task asks for."""

    success_distance_m = 120.0
    fields: Mapping[str, Field] = {
        **HalfCheetah.fields,
        "success": Field(
            "Whether the robot is far enough behind its start.",
            dtype="bool",
            role="flag",
            private=True,
            read=lambda t: -t.distance() >= t.success_distance_m,
        ),
        "fitness": Field(
            "Backward distance from the start of the episode.",
            unit="m",
            role="distance",
            private=True,
            read=lambda t: -t.distance(),
        ),
    }
    expert: FunctionReward | None = FunctionReward(
        ("x_velocity", "action"),
        _backward,
        doc=(
            "The backward half of HalfCheetahDir: Finn et al. 2017 (MAML, arXiv:1703.03400), "
            "rllab/envs/mujoco/half_cheetah_env_rand_direc.py of cbfinn/maml_rl, with the velocity of the torso, as in "
            "its Gym version (rlkit/envs/half_cheetah_dir.py of katerakelly/oyster)"
        ),
    )
    success_doc = "At some step the torso is 120 m or more behind (towards -x) where it started."
    fitness_doc = "Distance travelled backward (along -x) by the end of the episode, in metres."
    behaviours: tuple[Behaviour, ...] = (slide(-4.0), slide(4.0)._replace(succeeds=False), NULL)


class HalfCheetahFlip(FlipTask, HalfCheetah):
    """A full turn in either direction, in the air or over the back, that ends on the feet.

    No expert reward is published.
    """

    direction = 0
    hold_s = 0.5
    tolerance_rad = 0.5
    fields: Mapping[str, Field] = {
        **HalfCheetah.body_fields,
        "torso_clearance": Field(
            "Height of the torso's lowest point above the floor; about 0.5 m when the robot stands.",
            unit="m",
            frame="world",
            role="position",
            read=lambda t: t.torso.read(t.sim)[:, 0],
        ),
        **GOAL_FIELDS,
    }
    success_doc = hold_doc(
        "After a net turn of 2 pi, forward or backward: level within 0.5 rad with the whole torso above 0.2 m, "
        "from a touch of a foot on",
        0.5,
    )
    fitness_doc = pose_fitness_doc("the share of a full turn, net")
    behaviours: tuple[Behaviour, ...] = (
        half_cheetah_flip(1),
        half_cheetah_flip(-1),
        half_turn_and_back(),
        NULL,
    )

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        super().bind(sim)
        self.torso = GeomHeights(self.model, ("torso",), sim)

    def clear(self) -> Tensor:
        """Return whether the whole torso is above 0.2 m."""
        return self.torso.read(self.sim)[:, 0] > 0.2
