"""N MiniWoB worlds in one page of the process's browser, stepped by one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envreward.errors import InfraError
from envreward.worlds import Candidates, WorldBatch

from .actions import Action
from .candidates import offer
from .episode import Episode
from .frames import Frames
from .game import Game, Scene
from .listing import describe, look


class MiniWoBBatch(WorldBatch[Action]):
    """N worlds of one MiniWoB page.

    Wall time plays no role: each page's clock, on which its timers, animations and time limit run, moves by one second
    with each action and not otherwise; the time limit is out of reach. An episode depends on its seed and its actions
    alone. Where the browser fails, all worlds of the batch lose their episodes; the next reset opens another one.
    """

    def __init__(self, name: str, game: Game, num_worlds: int) -> None:
        """Open the page ``name`` in ``num_worlds`` frames.

        Raises:
            ConfigError: No browser is installed.
            MissingExtraError: A package is missing.
            InfraError: The browser failed.
        """
        super().__init__(num_worlds)
        self._name, self._game = name, game
        self._frames: Frames | None = Frames(name, num_worlds)
        self._episodes: list[Episode | None] = [None] * num_worlds

    def reset(self, ids: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin an episode in the worlds ``ids``; open the page again if it was lost."""
        try:
            if self._frames is None:
                self._frames = Frames(self._name, self.num_worlds)
            answers = self._frames.reset(dict(zip(ids, seeds, strict=True)), anew=self._game.anew)
        except InfraError as error:
            self._lose(str(error))
            return
        for world, answer in zip(ids, answers, strict=True):
            self.action_error[world] = self.infra_error[world] = ""
            try:
                self._episodes[world] = Episode(self._game, look(answer))
            except InfraError as error:
                self.infra_error[world] = str(error)

    def act(self, actions: Mapping[int, Action]) -> None:
        """Carry out one action in each of the worlds given, all of them in one call of the page."""
        going = {world: action for world, action in actions.items() if not self.infra_error[world]}
        for world in going:
            self.action_error[world] = ""
        if not going:
            return
        assert self._frames is not None, "reset comes first"
        try:
            results = self._frames.act(going)
        except InfraError as error:
            self._lose(str(error))
            return
        for world, (refused, answer) in results.items():
            try:
                self._episode(world).took(going[world], refused, look(answer))
            except InfraError as error:
                self.infra_error[world] = str(error)
            else:
                self.action_error[world] = refused

    def _lose(self, reason: str) -> None:
        """Note that every world's page is gone, and close what may be left of it."""
        self.infra_error[:] = [error or reason for error in self.infra_error]
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()

    def _episode(self, world: int) -> Episode:
        episode = self._episodes[world]
        assert episode is not None, "reset comes first"
        return episode

    def facts(self, world: int) -> Mapping[str, Any]:
        """Return the facts of a world."""
        return self._episode(world).facts()

    def state_hash(self, world: int) -> str:
        """Return a hash of all that is to be seen in a world: what a page's scripts hide in variables is not in it."""
        return self._episode(world).hash

    def candidates(self, world: int) -> Candidates[Action]:
        """Return what the tensor codec offers in a world."""
        return offer(self._game, self._episode(world))

    def describe(self, world: int) -> str:
        """Return a world's page in words, a line for each element."""
        return describe(self._episode(world).look)

    def instruction(self, world: int) -> str:
        """Return what the page says that is to be done."""
        return self._episode(world).look.utterance

    def oracle(self, world: int) -> Action:
        """Return the next action of a way to win."""
        frames, episode = self._frames, self._episode(world)
        assert frames is not None, "reset comes first"
        return self._game.oracle(Scene(episode.look, episode.fields, lambda text: frames.peek(world, text)))

    def frame(self, world: int) -> NDArray[np.uint8]:
        """Return a picture of a world, uint8 ``[210, 160, 3]``."""
        assert self._frames is not None, "reset comes first"
        return self._frames.picture(world)

    def close(self) -> None:
        """Close the page."""
        if self._frames is not None:
            frames, self._frames = self._frames, None
            frames.close()
