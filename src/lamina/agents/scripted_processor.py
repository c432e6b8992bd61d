"""A processor without a language model, for demonstrations, tests and measures: it sees the messages it is passed and nothing else.

It does tasks in the little language of `scripted_code`. Each fact it needs, what a module is to compute, what a function of another is
called, which files there are, must stand in those messages; where one does not, it looks it up with a tool if it has one, and else says
that it does not know. It keeps nothing between two calls. So what it can write shows what was in its context.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lamina.agents import program_prompts as prompts
from lamina.agents import scripted_code as code
from lamina.agents.program_tools import COMPLETE, PLAN_TOOL, VIEW, WRITE
from lamina.models.protocols import Completion, Message, Schema, Tool, ToolCall

_HEAD: Final = 3  # lines at the head of a module that tell its interface
_PLACE: Final = re.compile(r"(?:kit/|tests/test_)([a-z][a-z0-9_]*)\.py")
_WRONG: Final = re.compile(r"^(?:(?:FAILED|ERROR) tests/test_|kit/)([a-z][a-z0-9_]*)\.py(?!.*: in )", re.M)
_DO: Final = prompts.execute_message("", "", "", "").content.partition("\n")[0]


@dataclass(slots=True)
class _Seen:
    """What the messages tell."""

    pieces: dict[str, code.Piece] = field(default_factory=dict)
    interfaces: dict[str, code.Interface] = field(default_factory=dict)
    uses: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    brought: set[str] = field(default_factory=set)
    instruction: str = ""

    def read(self, messages: Sequence[Message]) -> None:
        """Take in messages, the oldest first."""
        for message in messages:
            self._told(message.content)
            if message.role == "user" and message.content.startswith(_DO):
                self.instruction = message.content.partition("\n")[2].partition("\nFiles: ")[0]
                self.files = _listed(message.content.partition("\nFiles: ")[2].partition("\n")[0])
                before = re.search(r"\nWhat was done before: .*?brought along: ([^.;]*) for (\w+)", message.content)
                if before is not None and code.changes_in(self.instruction) == [before[2]]:
                    self.brought = set(before[1].split(", "))
            elif message.role == "tool":
                self._result(message.content)
            for call in message.tool_calls:
                if call.name == WRITE.name:
                    self._written(call)

    def _told(self, text: str) -> None:
        self.pieces.update(code.pieces_in(text))
        self.interfaces.update(code.interfaces_in(text))
        for head in re.finditer(r"# interface: (\w+)\.[^\n]*\n# uses: ([^\n]*)", text):
            self.uses[head[1]] = head[2]

    def _written(self, call: ToolCall) -> None:
        try:
            files = json.loads(call.arguments)["files"]
        except (ValueError, KeyError, TypeError):
            return
        for one in files:
            self._told(one["contents"])
            self.files.add(one["path"])
            place = _PLACE.match(one["path"])
            if place is not None:
                self.wrong.discard(place[1])

    def _result(self, text: str) -> None:
        if text.startswith("Error: there is no file"):
            self.missing.update(_PLACE.findall(text))
        if "Check: failed" in text:
            self.wrong.update(_WRONG.findall(text))

    def has(self, name: str) -> bool:
        """Whether a module and its tests are there."""
        return {code.module_path(name), code.test_path(name)} <= self.files


def _listed(text: str) -> set[str]:
    """The paths in a list of files."""
    found: set[str] = set()
    for group in text.split("; "):
        words = group.split()
        folder = words.pop(0) if words and words[0].endswith("/") else ""
        found.update(folder + word for word in words)
    return found


class _Unknown(Exception):
    """A fact is not in the context: names to be looked up, or what is not known at all."""

    def __init__(self, what: str, look: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.look = tuple(look)


@dataclass(frozen=True, slots=True)
class ScriptedProcessor:
    """Plans and writes what a task in the little language asks for.

    Parameters: `faults`, the share of modules that are wrong when they are first written, half of them in their syntax; `seed` of that
    draw; `most`, modules it puts into one step of a plan at least; `notes`, whether it says anything when the context is full.

    >>> processor = ScriptedProcessor()
    >>> task = "Task: two modules.\\nbread: 3x+2\\nlunch: 2x+4 bread"
    >>> plan = processor.call([prompts.task_message(task), Message("user", prompts.PLAN.format(steps=2))], [PLAN_TOOL])
    >>> json.loads(plan.tool_calls[0].arguments)["steps"]
    ['Write these with tests:\\nbread: 3x+2', 'Write these with tests:\\nlunch: 2x+4 bread']
    """

    faults: float = 0.0
    seed: int = 0
    most: int = 1
    notes: bool = True
    name: str = "scripted"

    def complete(
        self, messages: Sequence[Message], *, schema: Schema | None = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """Says that it can only use tools."""
        return Completion("I do not know what to do without tools.", model=self.name)

    def call(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """The next thing to do, by what the messages say."""
        last = messages[-1].content
        seen = _Seen()
        seen.read(messages)
        offered = {tool.name for tool in tools}
        if PLAN_TOOL.name in offered:
            return self._use(PLAN_TOOL.name, {"steps": self._plan(messages, last)})
        if last.startswith(prompts.EXHAUSTED[:40]):
            return self._said(self._note(seen) if self.notes else "")
        if last.startswith((prompts.SUMMARISE[:40], prompts.IN_WORDS[:40])):
            return self._said(f"{self._note(seen)} The package is {code.PACKAGE}/, its tests are in tests/.")
        try:
            files = self._next_files(seen)
        except _Unknown as unknown:
            look = [name for name in unknown.look if name not in seen.missing]
            if not look or VIEW.name not in offered:
                return self._said(f"I do not know {unknown}: it is not in what I was shown.")
            calls = [{"paths": [code.module_path(name)], "first": 1, "last": _HEAD} for name in look]
            return self._use(VIEW.name, *calls)
        if not files:
            return self._use(COMPLETE, {})
        return self._use(WRITE.name, {"files": [{"path": path, "contents": text} for path, text in files.items()]})

    # -------------------------------------------------------------------------------------------------------- planning
    def _plan(self, messages: Sequence[Message], asked: str) -> list[str]:
        """All lines of the task, in as many steps as are allowed."""
        task = next((one.content for one in messages if one.content.startswith("The task:")), "")
        allowed = re.search(r"at most (\d+) steps|1 to (\d+) steps", asked)
        steps = int(next(filter(None, allowed.groups()))) if allowed is not None else 10
        lines = [*(piece.line for piece in code.pieces_in(task).values())]
        lines += [line for line in task.splitlines() if code.changes_in(line) or code.constants_in(line)]
        size = max(self.most, -(-len(lines) // max(steps, 1)))
        groups = [lines[start : start + size] for start in range(0, len(lines), size)]
        return ["\n".join(["Write these with tests:" if ": " in group[0] else "Do this:", *group]) for group in groups]

    def _note(self, seen: _Seen) -> str:
        wanted = list(code.pieces_in(seen.instruction))
        made = [name for name in wanted if seen.has(name)]
        left = [name for name in wanted if not seen.has(name)]
        told = [f"Made: {', '.join(made) or 'nothing yet'}; left: {', '.join(left) or 'nothing'}"]
        for name in code.changes_in(seen.instruction):
            brought = [one for one in self._users(name, seen) if one in seen.brought or self._is_brought(name, one, seen)]
            told += [f"brought along: {', '.join(brought)} for {name}"] if brought else []
        return "; ".join(told) + "."

    # --------------------------------------------------------------------------------------------------------- writing
    def _next_files(self, seen: _Seen) -> dict[str, str]:
        """The files to write next; none where everything is done. Raises `_Unknown` for a fact that is not in the context."""
        if not seen.instruction:
            raise _Unknown("what to do")
        constants = code.constants_in(seen.instruction)
        if constants:
            first = min(constants).replace("_", "")
            files = {code.module_path(f"set_{first}"): code.settings_text(constants)}
            return files if not set(files) <= seen.files else {}
        for name in code.pieces_in(seen.instruction):
            if not seen.has(name) or name in seen.wrong:
                return self._module(name, seen)
        for name in code.changes_in(seen.instruction):
            files = self._changed(name, seen)
            if files:
                return files
        return {}

    def _module(self, name: str, seen: _Seen, scaled: bool = False, tests: bool = True) -> dict[str, str]:
        """A module and its tests."""
        piece = self._piece(name, seen)
        look = [one for one in piece.uses if one not in seen.interfaces]
        if look:
            raise _Unknown(f"what the function of {look[0]} is called", look)
        own = code.chosen(name, scaled)
        fault = "" if name in seen.wrong or not tests or scaled else self._fault(name)
        used = {one: seen.interfaces[one] for one in piece.uses}
        files = {code.module_path(name): code.module_text(piece, own, used, fault)}
        if tests:
            try:
                values = [(x, code.value_of(name, x, seen.pieces)) for x in (0, 1, 2, 5, 9)]
            except KeyError as missing:
                raise _Unknown(f"what {missing.args[0]} computes") from None
            files[code.test_path(name)] = code.test_text(piece, own, values)
        return files

    def _changed(self, name: str, seen: _Seen) -> dict[str, str]:
        """The next file of a change: the module itself, then its users."""
        self._piece(name, seen)
        if name not in seen.interfaces:
            raise _Unknown(f"how {name} is written now", [name])
        if not seen.interfaces[name].scaled:
            return self._module(name, seen, scaled=True)
        for user in self._users(name, seen):
            if user in seen.brought or user in seen.missing:
                continue
            if user not in seen.uses:
                raise _Unknown(f"how {user} is written now", [user])
            if not self._is_brought(name, user, seen):
                return self._module(user, seen, scaled=seen.interfaces[user].scaled, tests=False)
        return {}

    @staticmethod
    def _users(name: str, seen: _Seen) -> list[str]:
        return [one for one, piece in seen.pieces.items() if name in piece.uses]

    @staticmethod
    def _is_brought(name: str, user: str, seen: _Seen) -> bool:
        """Whether a user is known to call a changed module as it is now."""
        known = seen.interfaces.get(name)
        return known is not None and known.scaled and f"{name}.{known.call}" in seen.uses.get(user, "")

    @staticmethod
    def _piece(name: str, seen: _Seen) -> code.Piece:
        if name not in seen.pieces:
            raise _Unknown(f"what {name} computes")
        return seen.pieces[name]

    def _fault(self, name: str) -> str:
        draw = random.Random(f"{self.seed} {name}").random()
        return "" if draw >= self.faults else "syntax" if draw < self.faults / 2 else "logic"

    # --------------------------------------------------------------------------------------------------------- answers
    def _use(self, name: str, *arguments: dict[str, Any]) -> Completion:
        calls = tuple(ToolCall(f"{name}-{number}", name, json.dumps(one)) for number, one in enumerate(arguments))
        return Completion("", model=self.name, tool_calls=calls)

    def _said(self, text: str) -> Completion:
        return Completion(text, model=self.name)
