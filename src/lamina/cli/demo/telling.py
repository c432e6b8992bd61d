"""What the demo says, one part after another. Every figure is measured in the run that shows it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from lamina.cli.demo import measures
from lamina.cli.demo.material import KINDS, Material, Question
from lamina.cli.output import amount, clean, line_of, when
from lamina.cli.tree import Look, branches, episode_line

if TYPE_CHECKING:
    from rich.console import Console

    from lamina import Hit, Memory

TOP: Final = 5  # moments looked at for a question that is shown
SHOWN_SESSIONS: Final = 3
BUDGETS: Final = (300, 800, 2000)  # tokens
FOUND: Final = "✓"
MISSED: Final = "✗"


class Telling:
    """The parts of the demo, in the order of their methods.

    Parameters: `memory` and `material`; `out`, the console; `began`, when the command started (monotonic seconds).
    """

    def __init__(self, memory: Memory, material: Material, out: Console, began: float) -> None:
        self._memory = memory
        self._material = material
        self._out = out
        self._began = began
        self._hits: dict[str, list[Hit]] = {}

    # ---------------------------------------------------------------------------------------------------- building
    def opening(self) -> None:
        """What is going to happen."""
        material = self._material
        first, last = material.messages[0]["at"][:10], material.messages[-1]["at"][:10]
        people = ", ".join(material.speakers[:-1]) + " and " + material.speakers[-1]
        self._title("A conversation")
        self._say(
            f"{people} write {len(material.messages)} messages in {material.sessions} sessions, {first} to {last}. "
            "A memory reads them, without a key, a network or a language model, and is then asked about them."
        )

    def reading(self) -> None:
        """Store and consolidate."""
        start = time.monotonic()
        self._memory.add_many(self._material.messages)
        stored = time.monotonic()
        self._memory.consolidate()
        ended = time.monotonic()
        self._say(
            f"Stored in {stored - start:.2f} s; {amount(self._memory.count(kinds=['episode']), 'episode')} found in them in "
            f"{ended - stored:.2f} s (embedding included)."
        )

    def layers(self) -> None:
        """What lies above the messages."""
        self._title("The layers it built")
        counter = self._counter()
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("layer")
        table.add_column("items", justify="right")
        table.add_column("tokens", justify="right")
        table.add_column("what it is")
        levels = (
            ("trace", "what was said, word for word"),
            ("episode", "a run of messages that belong together, in a few sentences"),
        )
        for kind, words in levels:
            page = self._memory.get_all(kinds=[kind], limit=10_000)
            table.add_row(kind, f"{len(page):,}", f"{counter.count(chr(10).join(item.text for item in page)):,}", words)
        self._out.print(table)
        found = branches(self._memory, "", Look(depth=3, limit=SHOWN_SESSIONS))
        tree = Tree(Text(f"the first {SHOWN_SESSIONS} sessions, each with its episodes", style="dim"))
        for branch in found.sessions:
            node = tree.add(
                Text.assemble((clean(branch.session or ""), "bold magenta"), f"  {amount(len(branch.traces), 'trace')}")
            )
            for episode in branch.episodes:
                node.add(episode_line(episode, len(branch.parts[episode.id]), self._out.width - 10))
        self._out.print(tree)

    # ---------------------------------------------------------------------------------------------------- asking
    def questions(self, everything: bool) -> None:
        """Some questions with what comes back, or all of them."""
        self._title("Questions")
        chosen = list(self._material.questions) if everything else self._chosen()
        for place, question in enumerate(chosen):
            hits = self._ask(question)
            if place == 0:
                self._say(f"First answer {time.monotonic() - self._began:.1f} s after the command began.")
                if not everything:
                    self._say(
                        f"Of the {len(self._material.questions)} questions: for each kind the first whose evidence is all in the top "
                        f"{TOP}, then the first that is missed altogether. {FOUND} marks evidence. All of them: lamina demo --all",
                        style="dim",
                    )
            self._question(question, hits)

    def _chosen(self) -> list[Question]:
        """One answered question of each kind, and one that is missed: by rule, not by hand."""
        asked = self._material.questions
        shares = {one.text: measures.found(one, [hit.item.origin or "" for hit in self._ask(one)]) for one in asked}
        chosen = [next((one for one in self._material.of(kind) if shares[one.text] == 1), None) for kind in KINDS]
        missed = next((one for one in asked if shares[one.text] == 0), None)
        return [one for one in (*chosen, missed) if one is not None] or list(asked[:1])

    def _ask(self, question: Question) -> list[Hit]:
        if question.text not in self._hits:
            hits = self._memory.search(question.text, k=TOP, kinds=["trace"], as_of=self._material.last)
            self._hits[question.text] = hits
        return self._hits[question.text]

    def _question(self, question: Question, hits: Sequence[Hit]) -> None:
        self._out.print()
        self._out.print(Text.assemble((question.text, "bold"), (f"  ({KINDS.get(question.category, question.category)})", "dim")))
        for rank, hit in enumerate(hits, 1):
            if hit.item.origin in question.evidence or rank == 1:
                mark = FOUND if hit.item.origin in question.evidence else " "
                self._out.print(self._moment(mark, rank, hit))
        missed = [origin for origin in question.evidence if origin not in {hit.item.origin for hit in hits}]
        for origin in missed[:2]:
            line = Text.assemble((f" {MISSED}    ", "red"), (f"missed: {clean(self._material.lines[origin])}", "dim"))
            line.truncate(self._out.width, overflow="ellipsis")
            self._out.print(line)
        if len(missed) > 2:
            self._out.print(Text(f" {MISSED}    missed: {len(missed) - 2} more", style="dim"))
        self._out.print(Text.assemble(("      answer: ", "dim"), clean(question.answer)))

    def _moment(self, mark: str, rank: int, hit: Hit) -> Text:
        line = Text.assemble((f" {mark} ", "bold green"), (f"{rank}. ", "dim"))
        line.append_text(line_of(hit.item))
        line.truncate(self._out.width, overflow="ellipsis")
        return line

    def change(self) -> None:
        """One question at two moments: before the fact changed, and at the end."""
        asked = {one: self._ask(one) for one in self._material.of("changed")}
        found = [one for one, hits in asked.items() if any(hit.item.origin in one.evidence for hit in hits)]
        if not found:
            return
        question = max(found, key=lambda one: asked[one][0].score)
        hits = asked[question]
        changed = next(hit for hit in hits if hit.item.origin in question.evidence)
        self._title("A fact that changes")
        self._say(
            f"Each message keeps when it was true and when it was learnt, so that the past can be asked too. Of the {len(asked)} "
            f"questions of this kind, {len(found)} find the new fact in the top {TOP}; this is the one with the highest score."
        )
        self._out.print()
        self._out.print(Text.assemble((question.text, "bold"), ("  answer: ", "dim"), clean(question.answer)))
        earlier = self._memory.search(question.text, k=2, kinds=["trace"], as_of=changed.item.at - 1)
        for words, some in (
            (f"asked as of {when(changed.item)}, just before it changed", earlier),
            ("asked at the end", hits[:4]),
        ):
            self._out.print(Text(f"   {words}", style="dim"))
            for rank, hit in enumerate(some, 1):
                self._out.print(self._moment(FOUND if hit is changed else " ", rank, hit))
        self._say("Both stay in the memory; which of two messages holds is for the reader of the dates to say.", style="dim")

    def context(self, budget: int) -> None:
        """One context for a prompt."""
        question = self._chosen()[0]
        recall = self._memory.context(question.text, budget=budget, as_of=self._material.last)
        self._title(f"A context under a budget of {budget} tokens")
        self._say(f"For “{question.text}”: {recall.tokens} tokens, ready for a prompt.")
        self._out.print(Padding(Text(clean(recall.text), style="dim"), (1, 0, 0, 3)))

    # ---------------------------------------------------------------------------------------------------- comparing
    def recall(self) -> None:
        """How much of the evidence comes back, over all questions, beside other ways."""
        material = self._material
        asked = material.questions
        self._title(f"How much of the evidence comes back (all {len(asked)} questions)")
        table = _table("", *(f"top {k}" for k in measures.DEPTHS))
        mine = measures.lamina_ranking(self._memory, material.last)
        table.add_row("Lamina", *_shares(measures.recall_at(asked, mine)), style="bold")
        full_text = measures.full_text_ranking(material)
        if full_text is not None:
            table.add_row("SQLite full-text search (BM25)", *_shares(measures.recall_at(asked, full_text)))
        table.add_row("the last messages", *_shares(measures.recall_at(asked, measures.newest_first(material))))
        for kind, words in KINDS.items():
            some = material.of(kind)
            table.add_row(f"  Lamina, {kind}: {words} ({len(some)})", *_shares(measures.recall_at(some, mine)), style="dim")
        self._out.print(table)
        shared = measures.shared_terms(material)
        self._say(
            f"On average {100 * shared:.0f} % of a question's words, stems compared, stand in the messages that answer it.",
            style="dim",
        )

    def tokens(self) -> None:
        """What a prompt costs with the memory and without."""
        material, counter = self._material, self._counter()
        everything = measures.full_history(material, counter)
        self._title("Tokens spent on a question")
        table = _table("what goes into the prompt", "tokens", "of the full", "evidence in it")
        table.add_row("the full history", f"{everything:,}", "100 %", "100 %")
        for budget in BUDGETS:
            spent = measures.spending(self._memory, material.questions, budget, material.last)
            table.add_row(f"Lamina, at most {budget:,} tokens", *_spent(spent, everything), style="bold")
            table.add_row(
                "  the last messages that fit",
                *_spent(measures.last_messages(material, material.questions, budget, counter), everything),
            )
        self._out.print(table)

    def closing(self, file: str | None) -> None:
        """What to type next."""
        self._title("Now you")
        name = file or "demo.db"
        lines = [] if file else [("lamina demo demo.db", "keep this memory")]
        lines += [
            (f'lamina search {name} "when is the wedding?"', "ask something"),
            (f'lamina context {name} "{self._chosen()[0].text}" --budget 200', "text for a prompt"),
            (f"lamina show {name} --depth 4 --limit 5", "walk through the layers"),
            ("lamina ingest mine.db notes/", "read your own notes or messages"),
        ]
        width = max(len(command) for command, _ in lines)
        for command, words in lines:
            self._out.print(Text.assemble(("  " + command.ljust(width), "bold"), (f"   {words}", "dim")))
        self._out.print(Text(f"\n{time.monotonic() - self._began:.1f} s in all.", style="dim"))

    # ---------------------------------------------------------------------------------------------------- saying
    def _counter(self) -> Any:  # the packaged counter, whose vocabulary is read once
        from lamina.models.tokens import WordLlamaTokens

        return self.__dict__.setdefault("_tokens", WordLlamaTokens())

    def _title(self, words: str) -> None:
        self._out.print()
        self._out.rule(Text(words, style="bold"), align="left", style="dim")

    def _say(self, words: str, style: str = "") -> None:
        self._out.print(Text(words, style=style))


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _shares(values: Sequence[float]) -> list[str]:
    return [f"{100 * value:.0f} %" for value in values]


def _spent(spent: measures.Spending, everything: int) -> list[str]:
    return [f"{spent.tokens:,.0f}", f"{100 * spent.tokens / everything:.0f} %", f"{100 * spent.evidence:.0f} %"]
