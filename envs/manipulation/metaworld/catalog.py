"""The Meta-World tasks, light to import."""

from __future__ import annotations

from envreward.task_spec import TaskSpec

HORIZON = 500
"""Steps of an episode: 6.25 s."""

_TRAINING = {
    "ppo": {
        "num_worlds": 32,
        "rollout_steps": 128,
        "minibatch_size": 512,
        "learning_rate": 5e-4,
        "init_log_std": 0.0,
        "spread_starts": True,
        "obs_min_std": 0.03,
    },
    "sac": {"spread_starts": True, "obs_min_std": 0.03},
}
"""Measured on drawer-open and button-press-topdown. Nothing was learned before what stands still until the hand has
found it was kept from being blown up (``obs_min_std``; see `envreward.training.normalize.obs_scale`). An action moves
the hand by a centimetre, so that PPO's usual noise explores next to nothing; and as all episodes take 500 steps,
rollouts hold all of their phases only where starts are spread."""


def _spec(name: str, entry_point: str, instruction: str) -> TaskSpec:
    return TaskSpec(
        id=f"EnvReward/MetaWorld-{name}-v0",
        family="manipulation",
        instruction=instruction,
        horizon=HORIZON,
        entry_point=f"envreward.envs.manipulation.metaworld.{entry_point}",
        extra="metaworld",
        packages=("metaworld",),
        training=_TRAINING,
    )


TASKS: tuple[TaskSpec, ...] = (
    _spec("assembly", "assembly:Assembly", "Pick up the wrench-like nut by its handle and put it onto the peg."),
    _spec("basketball", "basketball:Basketball", "Put the basketball into the basket."),
    _spec("bin-picking", "bin_picking:BinPicking", "Grasp the puck in one bin and put it into the other bin."),
    _spec("box-close", "box_close:BoxClose", "Grasp the lid and close the box with it."),
    _spec("button-press", "button:ButtonPress", "Press the button on the front of the box."),
    _spec("button-press-topdown", "button:ButtonPressTopdown", "Press the button on top of the box from above."),
    _spec(
        "button-press-topdown-wall",
        "button:ButtonPressTopdownWall",
        "Go around the wall and press the button on top of the box from above.",
    ),
    _spec(
        "button-press-wall",
        "button:ButtonPressWall",
        "Go around the wall and press the button on the front of the box.",
    ),
    _spec("coffee-button", "coffee:CoffeeButton", "Press the button of the coffee machine."),
    _spec("coffee-pull", "coffee:CoffeePull", "Pull the mug from the coffee machine to the goal position."),
    _spec("coffee-push", "coffee:CoffeePush", "Push the mug under the coffee machine, to the goal position."),
    _spec("dial-turn", "dial:DialTurn", "Turn the dial by half a turn."),
    _spec("disassemble", "assembly:Disassemble", "Pick up the wrench-like nut by its handle and lift it off the peg."),
    _spec("door-close", "door:DoorClose", "Close the door by its handle."),
    _spec("door-lock", "door_lock:DoorLock", "Lock the door by turning the lock clockwise."),
    _spec("door-open", "door:DoorOpen", "Open the door by its handle."),
    _spec("door-unlock", "door_lock:DoorUnlock", "Unlock the door by turning the lock counter-clockwise."),
    _spec("drawer-close", "drawer:DrawerClose", "Push the drawer shut."),
    _spec("drawer-open", "drawer:DrawerOpen", "Open the drawer by its handle."),
    _spec("faucet-close", "faucet:FaucetClose", "Turn the handle of the faucet clockwise."),
    _spec("faucet-open", "faucet:FaucetOpen", "Turn the handle of the faucet counter-clockwise."),
    _spec("hammer", "hammer:Hammer", "Pick up the hammer and drive the nail into the box with it."),
    _spec("hand-insert", "hand_insert:HandInsert", "Move the gripper with the block into the hole."),
    _spec("handle-press", "handle:HandlePress", "Press the handle down."),
    _spec("handle-press-side", "handle:HandlePressSide", "Press the handle at the side of the box down."),
    _spec("handle-pull", "handle:HandlePull", "Pull the handle up."),
    _spec("handle-pull-side", "handle:HandlePullSide", "Pull the handle at the side of the box up."),
    _spec("lever-pull", "lever:LeverPull", "Pull the lever up until it stands upright."),
    _spec("peg-insert-side", "peg:PegInsertSide", "Grasp the peg and insert it into the hole in the side of the box."),
    _spec("peg-unplug-side", "peg:PegUnplugSide", "Grasp the peg and pull it out of the box sideways."),
    _spec(
        "pick-out-of-hole",
        "pick_out_of_hole:PickOutOfHole",
        "Pick the puck up out of the hole and bring it to the goal position.",
    ),
    _spec("pick-place", "pick_place:PickPlace", "Pick up the puck and bring it to the goal position."),
    _spec(
        "pick-place-wall",
        "pick_place:PickPlaceWall",
        "Pick up the puck, carry it over the wall and bring it to the goal position.",
    ),
    _spec("plate-slide", "plate_slide:PlateSlide", "Slide the plate into the cabinet."),
    _spec("plate-slide-back", "plate_slide:PlateSlideBack", "Slide the plate out of the cabinet, towards the robot."),
    _spec("plate-slide-back-side", "plate_slide:PlateSlideBackSide", "Slide the plate out of the cabinet, sideways."),
    _spec("plate-slide-side", "plate_slide:PlateSlideSide", "Slide the plate into the cabinet, sideways."),
    _spec("push", "push:Push", "Push the puck to the goal position on the table."),
    _spec("push-back", "push_back:PushBack", "Pull the puck back to the goal position on the table."),
    _spec("push-wall", "push:PushWall", "Push the puck around the wall to the goal position on the table."),
    _spec("reach", "reach:Reach", "Move the fingers of the gripper to the goal position."),
    _spec("reach-wall", "reach:ReachWall", "Move the fingers of the gripper around the wall to the goal position."),
    _spec(
        "shelf-place", "shelf_place:ShelfPlace", "Pick up the block and put it onto the shelf, at the goal position."
    ),
    _spec("soccer", "soccer:Soccer", "Push the ball into the goal."),
    _spec(
        "stick-pull",
        "stick:StickPull",
        "Grasp the stick, hook the container with it and pull the container to the goal position.",
    ),
    _spec("stick-push", "stick:StickPush", "Grasp the stick and push the container with it to the goal position."),
    _spec("sweep", "sweep:Sweep", "Sweep the puck off the table, to the goal position."),
    _spec("sweep-into", "sweep:SweepInto", "Sweep the puck into the hole in the table."),
    _spec("window-close", "window:WindowClose", "Slide the window shut by its handle."),
    _spec("window-open", "window:WindowOpen", "Slide the window open by its handle."),
)
"""The tasks of Meta-World v3, by their official names."""
