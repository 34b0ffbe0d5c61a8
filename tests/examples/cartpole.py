"""A Gymnasium environment of your own as an EnvReward task: name what it shows, say when it is done.

envreward envs cartpole.py:cartpole
envreward design --env cartpole.py:cartpole
"""

import envreward
from envreward import Field

cartpole = envreward.wrap(
    "CartPole-v1",
    instruction="Keep the pole upright and the cart near the middle of the track.",
    fields={
        "cart_position": Field(
            "Position of the cart; 0 is the middle.", unit="m", role="position", read=lambda w: w.obs[:, 0]
        ),
        "cart_velocity": Field("Velocity of the cart.", unit="m/s", role="velocity", read=lambda w: w.obs[:, 1]),
        "pole_angle": Field("Tilt of the pole; 0 is upright.", unit="rad", role="angle", read=lambda w: w.obs[:, 2]),
        "pole_velocity": Field("Its rate.", unit="rad/s", role="angular_velocity", read=lambda w: w.obs[:, 3]),
    },
    success=lambda w: (w.steps >= 400) & (w.obs[:, 0].abs() < 1.0),
    success_doc="After 400 or more steps the pole is up and the cart within 1 m of the middle.",
    fitness=lambda w: w.steps,
    fitness_doc="Steps for which the pole stayed up and the cart on the track.",
    expert="native",
)
