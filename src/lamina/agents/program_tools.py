"""What a model may do to the files of a program: list, view, write, delete, run and test them, and call an instruction complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from lamina.agents.evaluators import Evaluation, PythonEvaluator, shortened
from lamina.agents.program_prompts import listed
from lamina.errors import InputError, ModelOutputError, NotFoundError
from lamina.models.protocols import Tool, ToolCall
from lamina.models.tools import arguments_of

if TYPE_CHECKING:
    from lamina.agents.evaluators import Evaluator
    from lamina.agents.sandbox import Sandbox
    from lamina.models.protocols import TokenCounter
    from lamina.working.files import FileStore

COMPLETE: Final = "sub_task_step_complete"
ALL: Final = "-1"
"""Deletes every file."""

_LEAST: Final = 100  # tokens, and characters, for which another file is begun

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}


def _tool(name: str, description: str, required: Sequence[str] = (), **properties: Any) -> Tool:
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(required)})


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


PLAN_TOOL: Final = _tool("provide_detailed_sub_task_steps", "Give the plan.", ["steps"], steps=_list_of(_TEXT))
LIST: Final = _tool("list_files", "Lists all files.")
VIEW: Final = _tool(
    "view_files",
    "Shows files, or lines of one. offset: characters of the first line to skip.",
    ["paths"],
    paths=_list_of(_TEXT), first=_NUMBER, last=_NUMBER, offset=_NUMBER,
)  # fmt: skip
_FILE: Final = {"type": "object", "properties": {"path": _TEXT, "contents": _TEXT}, "required": ["path", "contents"]}
WRITE: Final = _tool("write_files", "Writes whole files, then checks.", ["files"], files=_list_of(_FILE))
DELETE: Final = _tool("delete_files", 'Deletes files; "-1" deletes all.', ["paths"], paths=_list_of(_TEXT))
RUN: Final = _tool("run_file", "Runs a Python file.", ["path"], path=_TEXT, args=_list_of(_TEXT))
TEST: Final = _tool("pytest_files", "Runs tests, all where none is named.", paths=_list_of(_TEXT))
DONE: Final = _tool(COMPLETE, "Says that the instruction is done.")

Status = Literal["ok", "error", "complete"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a call came to: the text for the model; `proof`: something was run and went well; `evaluation`: the check, if there was one."""

    text: str
    status: Status = "ok"
    proof: bool = False
    evaluation: Evaluation | None = None


class ProgramTools:
    """The tools, on one store.

    Parameters: `store`; `evaluator` (None: nothing is checked); `sandbox`, in which files are run (None: they cannot be); `counter` of
    tokens; `variant`: in "code", as in the published program, tests that do not end count as passed; `view_characters`: what one
    view shows at most; `run_seconds` and `test_seconds`: time for one run.
    """

    def __init__(
        self,
        store: FileStore,
        evaluator: Evaluator | None,
        sandbox: Sandbox | None,
        counter: TokenCounter,
        *,
        variant: Literal["paper", "code"] = "paper",
        view_characters: int = 14_000,
        run_seconds: float = 20.0,
        test_seconds: float = 60.0,
    ) -> None:
        self.store, self.evaluator, self.sandbox, self._counter, self._variant = store, evaluator, sandbox, counter, variant
        self._view_characters, self._run_seconds, self._test_seconds = view_characters, run_seconds, test_seconds
        self._checked: tuple[str, Evaluation] | None = None

    def tools(self) -> tuple[Tool, ...]:
        """Those that can be used here."""
        running = (RUN, TEST) if self.sandbox is not None else ()
        return (LIST, VIEW, WRITE, DELETE, *running, DONE)

    def use(self, call: ToolCall, room: int) -> Result:
        """Do what a call asks for; its text comes to at most `room` tokens. A call that cannot be done is an error in words."""
        tool = next((one for one in self.tools() if one.name == call.name), None)
        if tool is None:
            return Result(f"There is no tool {call.name[:60]!r}: use {', '.join(one.name for one in self.tools())}.", "error")
        ways: Mapping[str, Callable[[dict[str, Any], int], Result]] = {
            LIST.name: self._list, VIEW.name: self._view, WRITE.name: self._write, DELETE.name: self._delete,
            RUN.name: self._run, TEST.name: self._test, DONE.name: self._complete,
        }  # fmt: skip
        try:
            result = ways[tool.name](arguments_of(call, tool), room)
        except (ModelOutputError, InputError, NotFoundError) as error:
            result = Result(f"Error: {error}", "error")
        return Result(fitted(result.text, room, self._counter), result.status, result.proof, result.evaluation)

    def check(self) -> Evaluation | None:
        """The evaluator's verdict on the files as they are; the same files are not checked twice. None without an evaluator."""
        if self.evaluator is None:
            return None
        files = self.store.snapshot()
        if self._checked is None or self._checked[0] != files.digest:
            self._checked = (files.digest, self.evaluator.evaluate(files))
        return self._checked[1]

    def accepted(self, evaluation: Evaluation | None) -> bool:
        """Whether an instruction may be complete with this verdict."""
        lenient = ("passed", "no tests", "timed out") if self._variant == "code" else ("passed", "no tests")
        return evaluation is None or evaluation.outcome in lenient

    # ------------------------------------------------------------------------------------------------------- the tools
    def _list(self, given: dict[str, Any], room: int) -> Result:
        return Result(listed(self.store.list()))

    def _write(self, given: dict[str, Any], room: int) -> Result:
        files = {one["path"]: one["contents"] for one in given["files"]}
        if not files:
            raise InputError("files is empty: give at least one file with path and contents")
        if len(files) < len(given["files"]):
            raise InputError("one path is written twice in one call")
        made = self.store.change(files)
        return self._changed(f"Written: {listed([*files])}.", bool(made))

    def _delete(self, given: dict[str, Any], room: int) -> Result:
        paths = self.store.list() if ALL in given["paths"] else list(dict.fromkeys(given["paths"]))
        if not given["paths"]:
            raise InputError('paths is empty: name the files to delete, or "-1" for all')
        self.store.change(deletes=paths)
        return self._changed(f"Deleted: {listed(paths)}." if paths else "There was nothing to delete.", bool(paths))

    def _changed(self, words: str, changed: bool) -> Result:
        evaluation = self.check()
        told = "" if evaluation is None else f"\n{evaluation.told}"
        return Result(words + ("" if changed else " Nothing is different from before.") + told, evaluation=evaluation)

    def _run(self, given: dict[str, Any], room: int) -> Result:
        assert self.sandbox is not None
        path = given["path"]
        self.store.read(path)
        ran = self.sandbox.run(
            [f"./{path}", *map(str, given.get("args", ()))], self.store.snapshot().files, seconds=self._run_seconds
        )
        ended = {"time": f"stopped after {self._run_seconds:g} seconds", "processes": "stopped: too many processes"}
        how = ended.get(ran.ended, f"exit code {ran.code}")
        return Result(f"{path}: {how}.\n{ran.output}".strip(), "ok" if ran.code == 0 else "error", proof=ran.code == 0)

    def _test(self, given: dict[str, Any], room: int) -> Result:
        assert self.sandbox is not None
        paths = [str(path) for path in given.get("paths", ())]
        for path in paths:
            self.store.read(path)
        tester = PythonEvaluator(self.sandbox, self._test_seconds)
        evaluation = tester.test(self.store.snapshot(), paths)
        passed = evaluation.outcome == "passed"
        return Result(evaluation.told, "ok" if passed else "error", proof=passed, evaluation=evaluation)

    def _complete(self, given: dict[str, Any], room: int) -> Result:
        evaluation = self.check()
        if not self.accepted(evaluation):
            assert evaluation is not None
            return Result(evaluation.told, "error", evaluation=evaluation)
        return Result("The instruction is complete.", "complete", evaluation=evaluation)

    def _view(self, given: dict[str, Any], room: int) -> Result:
        paths = list(dict.fromkeys(given["paths"]))
        first, last, offset = given.get("first", 1), given.get("last"), given.get("offset", 0)
        if not paths:
            raise InputError("paths is empty: name the files to view")
        if len(paths) > 1 and (first != 1 or last is not None or offset):
            raise InputError("first, last and offset go with one path")
        known = set(self.store.list())
        missing = [path for path in paths if path.removeprefix("./") not in known]
        shown: list[str] = []
        left_out: list[str] = []
        room, characters = room - 40 - 12 * len(missing), self._view_characters
        for path in paths:
            if path in missing:
                continue
            if shown and (characters < _LEAST or room < _LEAST):
                left_out.append(path)
                continue
            text = self._part(path, (first, last, offset), room, characters)
            room, characters = room - self._counter.count(text), characters - len(text)
            shown.append(text)
        if left_out:
            shown.append(f"Error: not shown for want of room: {listed(left_out)}. View them in another call.")
        if missing:
            shown.append(f"Error: there is no file {', '.join(path[:80] for path in missing)}.")
        return Result("\n".join(shown), "error" if missing or left_out else "ok")

    def _part(self, path: str, wanted: tuple[int, int | None, int], room: int, characters: int) -> str:
        """A file, or as many of the lines asked for as there is room for, and how to see the rest."""
        first, last, offset = wanted
        total = len(self.store.read(path).splitlines())
        lines = self.store.read(path, first, last).splitlines()
        if not 0 <= offset <= (len(lines[0]) if lines else 0):
            raise InputError(
                f"line {first} of {path} has {len(lines[0]) if lines else 0} characters: there is no offset {offset}"
            )
        if lines:
            lines[0] = lines[0][offset:]
        kept: list[str] = []
        room -= 60
        characters -= 200
        for line in lines:
            cost = self._counter.count(line) + 1
            if cost > room or len(line) + 1 > characters:
                break
            kept.append(line)
            room, characters = room - cost, characters - len(line) - 1
        more = ""
        if not kept and lines:
            kept = [_beginning(lines[0], room, characters, self._counter)]
            end = offset + len(kept[0])
            more = f"\nLine {first} is longer: go on with first={first}, offset={end}."
        elif len(kept) < len(lines):
            more = f"\nThere is more: go on with first={first + len(kept)}."
        part = "" if (first, len(kept)) == (1, total) else f" (lines {first} to {first + max(len(kept), 1) - 1} of {total})"
        body = "\n".join(kept)
        return f"{path}{part}\n```\n{body}\n```{more}"


def _beginning(line: str, room: int, characters: int, counter: TokenCounter) -> str:
    """As much of a line as there is room for, at least a little."""
    least, most = 1, max(min(len(line), characters), 1)
    while least < most:
        half = (least + most + 1) // 2
        least, most = (half, most) if counter.count(line[:half]) <= room else (least, half - 1)
    return line[:least]


def fitted(text: str, room: int, counter: TokenCounter) -> str:
    """A text of at most `room` tokens: its beginning and its end where it is longer, a mark and two signs at least.

    >>> from lamina.models.tokens import CallableTokens
    >>> fitted("one two three four five six seven eight", 7, CallableTokens(lambda text: len(text.split())))
    'one t[… 29 characters left out …]eight'
    """
    if counter.count(text) <= room:
        return text
    least, most = 2, len(text)
    while least < most:
        half = (least + most + 1) // 2
        least, most = (half, most) if counter.count(shortened(text, half)) <= room else (least, half - 1)
    return shortened(text, least)
