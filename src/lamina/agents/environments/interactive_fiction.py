"""Games of text as worlds: those that Jericho and TextWorld play, and any other that has the same few verbs.

Sources: M. Hausknecht et al., "Interactive Fiction Games: A Colossal Adventure" (Jericho), 2020; M.-A. Côté et al., "TextWorld: A
Learning Environment for Text-based Games", 2018. Both packages come with the extra `fiction`; games of Jericho are files of their own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Protocol

from lamina.agents.environments.protocol import CHECK, NOT_VALID, Outcome, listed, normalised
from lamina.errors import InputError, MissingExtraError, NotFoundError, StateError

_ASKING: Final = frozenset({"look", "l", "inventory", "i", "wait", "z"})

_WORD: Final = re.compile(r"[A-Za-z]{2}")
_STATUS: Final = re.compile(r"\s*>\s*-= [^=]* =-\s*\d+/\d+\s*$")
"""The line with room, score and moves that TextWorld leaves at the end."""


class Game(Protocol):
    """What plays a game: `begin` and `do` return what the game says; `do` also whether it was understood and could be done."""

    def begin(self) -> str:
        """Start the game from its beginning."""
        ...

    def do(self, command: str) -> tuple[str, bool]:
        """Give a command."""
        ...

    def commands(self) -> list[str]:
        """What can be done now."""
        ...

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        ...

    @property
    def over(self) -> bool:
        """Whether the game has ended, won or lost."""
        ...


class GameWorld:
    """A game as a world. Progress is the score by the highest score; it can fall.

    A command that cannot be done leaves the game where it was and is told to be not valid, with the game's own words after it.

    Parameters: `game`; `name`; `goal`, one sentence.
    """

    fully_observable = False

    def __init__(self, game: Game, name: str, goal: str = "Score as many points as you can.") -> None:
        if not name or not goal.strip() or len(goal.splitlines()) > 1:
            raise InputError(f"a game needs a name and a goal in one line, not {name!r} and {goal[:60]!r}")
        self.name, self.goal, self._game = name, goal, game
        self._begun = False

    @property
    def instruction(self) -> str:
        """How such games are played."""
        return (
            "You play a game of text. Give one short command at a time, such as: look, inventory, examine <thing>, take <thing>, "
            f"drop <thing>, open <thing>, go <direction>.\n- {CHECK}: lists what can be done now"
        )

    def reset(self) -> str:
        """Start from the beginning."""
        self._begun = True
        return _plain(self._game.begin())

    def step(self, action: str) -> Outcome:
        """Give a command."""
        if not self._begun:
            raise StateError(f"the game {self.name!r} has not begun: call reset first")
        if self._game.over:
            raise StateError(f"the game {self.name!r} is over: call reset to begin again")
        text = normalised(action)
        if text == CHECK:
            said, valid = listed(self.valid_actions()), True
        elif not text:
            said, valid = NOT_VALID, False
        else:
            said, valid = self._game.do(text)
            said = _plain(said) if valid else f"{NOT_VALID} {_plain(said)}".rstrip()
        return Outcome(said, valid, min(max(self._game.progress, 0.0), 1.0), self._game.over)

    def valid_actions(self) -> list[str]:
        """The commands that the game is known to take now, sorted."""
        if not self._begun:
            raise StateError(f"the game {self.name!r} has not begun: call reset first")
        return sorted(set(self._game.commands()))


def jericho_world(path: Path | str, *, seed: int = 0, goal: str = "Score as many points as you can.") -> GameWorld:
    """A game file of Jericho (.z3, .z5, .z8) as a world. A command is valid if it changes the game, or only asks.

    Raises `MissingExtraError` without the package, `NotFoundError` for no file, `InputError` for one that Jericho does not play.
    """
    try:
        import jericho
    except ImportError:
        raise MissingExtraError.for_extra("fiction", "playing games of Jericho", "jericho") from None
    try:
        env = jericho.FrotzEnv(str(_file(path)), seed=seed)
    except Exception as error:  # noqa: BLE001 - whatever the interpreter makes of the file
        raise InputError(f"Jericho does not play {path}: {error}") from None
    if env.get_max_score() <= 0:  # nor can it tell then whether a command did anything
        raise InputError(f"Jericho does not know the game {path}: games of TextWorld are played by textworld_world")
    return GameWorld(_Jericho(env), Path(path).stem, goal)


def textworld_world(path: Path | str, *, goal: str = "") -> GameWorld:
    """A game file of TextWorld (.z8; a .json tells no text) as a world. Its goal is by default the one the game states.

    Raises `MissingExtraError` without the package, `NotFoundError` for no file, `InputError` for one that TextWorld does not play.
    """
    try:
        import textworld
    except ImportError:
        raise MissingExtraError.for_extra("fiction", "playing games of TextWorld", "textworld") from None
    wanted = textworld.EnvInfos(admissible_commands=True, objective=True, max_score=True, score=True, won=True, lost=True)
    try:
        env = textworld.start(str(_file(path)), request_infos=wanted)
        state = env.reset()
    except NotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the package makes of the file
        raise InputError(f"TextWorld does not play {path}: {error}") from None
    stated = _plain(goal or state.get("objective") or "Score as many points as you can.")
    return GameWorld(_TextWorld(env), Path(path).stem, stated)


class _Jericho:
    def __init__(self, env: Any) -> None:  # an untyped package's
        self._env = env
        self._over = False

    def begin(self) -> str:
        self._over = False
        return str(self._env.reset()[0])

    def do(self, command: str) -> tuple[str, bool]:
        before = self._env.get_world_state_hash()
        said, _, over, _ = self._env.step(command)
        self._over = bool(over)
        return str(said), self._over or command in _ASKING or self._env.get_world_state_hash() != before

    def commands(self) -> list[str]:
        return [str(one) for one in self._env.get_valid_actions()]

    @property
    def progress(self) -> float:
        return float(self._env.get_score() / self._env.get_max_score())

    @property
    def over(self) -> bool:
        return self._over


class _TextWorld:
    def __init__(self, env: Any) -> None:  # an untyped package's
        self._env = env
        self._state: Any = None
        self._over = False

    def begin(self) -> str:
        self._state, self._over = self._env.reset(), False
        said = str(self._state["feedback"])
        return "\n".join(line for line in said.splitlines() if _WORD.search(line))  # without the banner drawn of signs

    def do(self, command: str) -> tuple[str, bool]:
        valid = command in _ASKING or command in {one.lower() for one in self.commands()}
        self._state, _, over = self._env.step(command)
        self._over = bool(over)
        return _STATUS.sub("", str(self._state["feedback"])), valid

    def commands(self) -> list[str]:
        return [str(one) for one in self._state.get("admissible_commands") or ()]

    @property
    def progress(self) -> float:
        most = self._state.get("max_score") or 0
        return (self._state.get("score") or 0) / most if most > 0 else float(bool(self._state.get("won")))

    @property
    def over(self) -> bool:
        return self._over


def _file(path: Path | str) -> Path:
    if not Path(path).is_file():
        raise NotFoundError(f"there is no game {path}: give the path of a game file")
    return Path(path)


def _plain(text: str) -> str:
    return " ".join(text.split())
