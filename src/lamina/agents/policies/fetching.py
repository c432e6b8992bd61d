"""A policy for the house of `environments.fetch`: it knows of each room what the prompt still says, and looks where it knows nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lamina.agents.environments.protocol import CHECK, NOT_VALID
from lamina.agents.policies.prompt import PromptView
from lamina.errors import InputError
from lamina.models.protocols import Completion, Message, Schema, check_request

_HERE: Final = re.compile(r"You are in the (\w+)\. (?:You see(?:: ([\w, ]+)| nothing)\. )?You carry (?:the (\w+)|nothing)\.")
_DELIVERED: Final = re.compile(r"You deliver the (\w+)\.|Delivered: ([\w, ]+)\.")
_SEEN: Final = re.compile(r"Seen in the (\w+): ([\w, ]+)\.")
_BEEN: Final = re.compile(r"Been in: ([\w, ]+)\.")
_ORDER: Final = re.compile(r"to the (\w+), in this order: ([\w, ]+)")
_ROOMS: Final = re.compile(r"These are the rooms: ([\w, ]+)")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in (text or "").split(",") if one.strip() and one.strip() != "nothing")


@dataclass(frozen=True, slots=True)
class Known:
    """What observations and summaries have told: what lies in each room, rooms of which only this is known that one has been there,
    what was delivered, where one is ("" for unknown) and what one carries."""

    contents: tuple[tuple[str, tuple[str, ...]], ...] = ()
    been: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    room: str = ""
    carried: str = ""

    def after(self, text: str) -> Known:
        """With one more observation or summary.

        >>> Known().after("You deliver the jar. You are in the hall. You see nothing. You carry nothing.").delivered
        ('jar',)
        """
        contents, been, delivered = dict(self.contents), list(self.been), list(self.delivered)
        for match in _DELIVERED.finditer(text):
            delivered += [one for one in _names(match[1] or match[2]) if one not in delivered]
        for room, things in _SEEN.findall(text):
            contents[room] = _names(things)
        for rooms in _BEEN.findall(text):
            for room in _names(rooms):
                contents.pop(room, None)  # what was known of it before may have changed
                been.append(room)
        here = _HERE.search(text)
        now = self
        if here:
            now = replace(self, room=here[1], carried=here[3] or "")
            if "You see" in here[0]:
                contents[here[1]] = _names(here[2])
        rest = tuple(sorted({room for room in been if room not in contents}))
        return replace(now, contents=tuple(sorted(contents.items())), been=rest, delivered=tuple(delivered))


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Answers as a language model would that fetches without fault and knows only the prompt.

    The next thing to deliver is the one after the last that the prompt, or its current subgoal, shows to be delivered. If the prompt
    says where it lies, it goes there; else, if showing folded chunks again is offered and rooms were seen in them whose contents
    their summaries do not tell, it asks for those; else it looks into the next room of which it knows nothing.

    >>> from lamina.agents.environments.fetch import FetchMap, FetchWorld
    >>> world = FetchWorld(FetchMap.generate(seed=3))
    >>> prompt = f"{world.instruction}\\nGoal: {world.goal}\\nObservation: {world.reset()}"
    >>> FetchPolicy().complete([Message("user", prompt)]).text == f"Action: go to {world.map.rooms[1]}"
    True
    """

    @property
    def name(self) -> str:
        """The policy's name."""
        return "fetcher"

    def complete(
        self, messages: Sequence[Message], *, schema: Schema | None = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """The next subgoal, where one is asked for and due, and the next action. A schema is refused: the answer is in lines."""
        check_request(messages, max_tokens, temperature)
        if schema is not None:
            raise InputError("the fetcher answers in lines and takes no schema")
        return Completion(self._answer(PromptView.of(messages)), model=self.name)

    def _answer(self, view: PromptView) -> str:
        task = _ORDER.search(view.goal)
        depot, order = (task[1], _names(task[2])) if task else ("", ())
        rooms = _names(match[1] if (match := _ROOMS.search(view.instruction)) else "")
        known = Known()
        for entry in view.entries:
            if entry.kind == "observation" and entry.text != NOT_VALID:
                known = known.after(entry.text)
        wanted = self._next(order, known, view)
        if not wanted or not rooms:
            return f"Action: {CHECK}"
        due = view.wants_subgoals and (view.subgoal is None or wanted not in re.findall(r"\w+", view.subgoal))
        head = f"Subgoal: Deliver the {wanted}\n" if due else ""
        action = self._towards(wanted, depot, known)
        if not action and (ids := self._hiding(view)):
            return f"Action: retrieve({', '.join(map(str, ids))})"
        return f"{head}Action: {action or self._look(rooms, known)}"

    @staticmethod
    def _next(order: Sequence[str], known: Known, view: PromptView) -> str:
        """What is to be delivered next; "" where nothing is."""
        at = max((order.index(one) + 1 for one in known.delivered if one in order), default=0)
        for word in re.findall(r"\w+", view.subgoal or ""):
            if word in order:
                at = max(at, order.index(word))
        return order[at] if at < len(order) else ""

    @staticmethod
    def _towards(wanted: str, depot: str, known: Known) -> str:
        """The action where it is known what to do, else ""."""
        if known.carried == wanted:
            return f"deliver {wanted}" if known.room == depot else f"go to {depot}"
        if known.carried:
            return f"put {known.carried}"
        place = next((room for room, things in known.contents if wanted in things), "")
        if not place:
            return ""
        return f"take {wanted}" if place == known.room else f"go to {place}"

    @staticmethod
    def _hiding(view: PromptView) -> list[int]:
        """Folded chunks in which rooms were seen whose contents are not told, where showing them again is offered."""
        if not view.offers_retrieve or view.last_action.startswith("retrieve("):
            return []
        return [one.number for one in view.chunks if one.folded and one.number is not None and _BEEN.search(one.entries[-1].text)]

    @staticmethod
    def _look(rooms: Sequence[str], known: Known) -> str:
        """Into the next room of which nothing is known, in the order of the house; else into one of which little is known."""
        start = rooms.index(known.room) if known.room in rooms else -1
        following = [rooms[(start + n) % len(rooms)] for n in range(1, len(rooms) + 1)]
        others = [room for room in following if room != known.room]
        told = {room for room, _ in known.contents}
        for passed in (told.union(known.been), told):
            for room in others:
                if room not in passed:
                    return f"go to {room}"
        return f"go to {others[0]}"
