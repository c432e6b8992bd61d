"""Self-controlled memory: a controller decides whether, which, and in what form earlier turns enter the prompt.

The previous turn is always shown ("flash memory"). Whether more is needed is decided first; then turns are brought back by likeness and recency
("activation memory"), put into a form that fits, and shown in the order in which they were said. Nothing is ever taken out of the stream, and no
prompt is over its budget, however long the dialogue.

Source: "Unleashing Infinite-Length Input Capacity for Large-scale Language Models with Self-Controlled Memory System" (X. Liang et al., 2023;
later "SCM: Enhancing Large Language Model with Self-Controlled Memory Framework", B. Wang et al.), and its released code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from lamina.errors import BudgetError, InputError
from lamina.models.protocols import Message
from lamina.models.static import StaticEmbedder
from lamina.models.tokens import default_counter
from lamina.terms import ENGLISH, check_language
from lamina.working.chunks import Block, Rendered
from lamina.working.control import Controller, Judgements, ModelController, RuleController, Vocabulary
from lamina.working.extracts import Extracts, ModelShortener, cut, sized
from lamina.working.reorganising import Placed, Reorganiser, concatenate
from lamina.working.steps import Step, prompt_tokens
from lamina.working.turns import EmbedOn, Ranking, Turn, TurnStream
from lamina.working.untooled import Untooled

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder, LanguageModel, TokenCounter
    from lamina.working.extracts import Shortener
    from lamina.working.protocol import TraceSink

Activation = Literal["always", "rule", "model", "never"]
Variant = Literal["paper", "code"]

RELATED: Final = "Related history:"
PREVIOUS: Final = "Previous turn:"
NOW: Final = "---"
FLASH_SHARE: Final = 5
"""The source shows a previous turn of up to 500 tokens whole in 2,500: a smaller budget gives it the same share, a fifth."""


@dataclass(frozen=True)
class Controls:
    """What the controller goes by; the numbers are the source's.

    Parameters: `activation`, who decides whether history is needed: "always", "rule", "model", or "never", which leaves activation memory
    out; `judge`, who decides whether an excerpt is enough: "rule", "model", or None for no controller, that is turns whole until the budget is
    full; `ranking`; `reorganiser`; `flash`, whether the previous turn is shown, whole up to `flash_tokens`; `short`, tokens up to which a turn
    is its own summary; `embed_on`.
    """

    activation: Activation = "rule"
    judge: Literal["rule", "model"] | None = "rule"
    ranking: Ranking = field(default_factory=Ranking)
    reorganiser: Reorganiser = field(default_factory=Reorganiser)
    flash: bool = True
    flash_tokens: int = 500
    short: int = 300
    embed_on: EmbedOn = "summary"

    def __post_init__(self) -> None:
        if self.activation not in ("always", "rule", "model", "never"):
            raise InputError(f"activation must be 'always', 'rule', 'model' or 'never', not {self.activation!r}")
        if self.judge not in ("rule", "model", None):
            raise InputError(f"judge must be 'rule', 'model' or None, not {self.judge!r}")
        sized(self.flash_tokens, "flash_tokens", 0)

    @classmethod
    def of(cls, variant: Variant, model: bool = False) -> Controls:
        """Those of the paper, or of the released code: there history is always searched, by likeness alone, vectors are of whole texts, and
        turns are too long from 2,500 tokens on. `model`: whether a language model makes the decisions.

        >>> Controls.of("code").ranking.recency_weight
        0.0
        """
        asked: Literal["rule", "model"] = "model" if model else "rule"
        if variant == "paper":
            return cls(activation=asked, judge=asked)
        if variant == "code":
            ranking, reorganiser = Ranking(recency_weight=0.0), Reorganiser("code")
            return cls("always", asked, ranking, reorganiser, embed_on="text")
        raise InputError(f"variant must be 'paper' or 'code', not {variant!r}")


class ControlledMemory(Untooled):
    """A working memory of turns whose prompts have a bound, however long the dialogue grows.

    Turns come in by `observe`; what the user says now is the `tail` of `prompt`. A prompt for the same turn may be asked for again: it is the same.

    Parameters: `variant`, "paper" or "code", which `controls` overrides; `embedder` (default: the packaged static one); `model`, which then
    decides and shortens, where no `controls` say otherwise; `shortener` of turns (default: the model, else `Extracts`); `counter` of tokens; `sink`; `language`.
    Raises `InputError` where `controls` ask for a model and there is none.

    >>> memory = ControlledMemory()
    >>> memory.observe(Step.turn("The code of my locker is 4417.", "I will remember it."))
    >>> for number in range(3):
    ...     memory.observe(Step.turn(f"Here is line {number} of a poem about ships.", "Lovely."))
    >>> print(memory.prompt([], 200, tail="What is the code of my locker?").text)
    Related history:
    [Turn 1] User: The code of my locker is 4417.
    Assistant: I will remember it.
    ...
    ---
    What is the code of my locker?
    """

    name = "scm"

    def __init__(
        self,
        *,
        variant: Variant = "paper",
        controls: Controls | None = None,
        embedder: Embedder | None = None,
        model: LanguageModel | None = None,
        shortener: Shortener | None = None,
        counter: TokenCounter | None = None,
        sink: TraceSink | None = None,
        language: str = ENGLISH,
    ) -> None:
        chosen = Controls.of(variant, model is not None)
        self.controls = controls if controls is not None else chosen
        if model is None and "model" in (self.controls.activation, self.controls.judge):
            raise InputError("the controls ask a language model, but none is given: give model=, or use 'rule'")
        self.counter = default_counter(counter)
        self.known = Vocabulary(check_language(language))
        rule = RuleController(self.known)
        asked = ModelController(model) if model is not None else None
        self.activation = Judgements(_one_of(self.controls.activation, rule, asked))
        self.judgements = Judgements(_one_of(self.controls.judge, rule, asked))
        if shortener is None:
            extracts = Extracts(language=language)
            shortener = ModelShortener(model, extracts) if model is not None else extracts
        self.stream = TurnStream(
            embedder if embedder is not None else StaticEmbedder(), self.counter, shortener,
            short=self.controls.short, embed_on=self.controls.embed_on,
        )  # fmt: skip
        self._sink = sink
        self._shown: set[int] = set()  # places of turns brought back for the turn that is being made

    def observe(self, step: Step) -> None:
        """Take in a turn that is over. Raises `InputError` for one without words and `VectorError` for a bad vector; nothing is then kept."""
        turn = self.stream.write(Step(step.spoken))
        self.known.add(turn.text)
        for place in self._shown:
            self.stream.turns[place].last_access = turn.number
        self._shown = set()
        if self._sink is not None:
            self._sink.keep(step, None)

    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The head, what the controller shows of earlier turns, and what is said now; with no tail, the last turn is what is asked.

        Blocks of the result: the previous turn is "current", a turn shown whole "open", one shown by its summary "folded". Raises `BudgetError` with both
        counts where head and tail alone are over the budget, and `InputError` for a tail of blanks.
        """
        if tail and not tail.strip():
            raise InputError("what is said now is blank: leave it out, or say something")
        bare = self._message(head, [], None, tail)
        fixed = prompt_tokens(bare, self.counter)
        if fixed > budget:
            raise BudgetError(
                f"head and input alone take {fixed} tokens, more than the budget of {budget}: shorten them, or give a larger one"
            )
        turns = self.stream.turns
        if not turns:
            return Rendered(bare, fixed)
        asked = tail or turns[-1].text
        ranked = self._brought_back(asked)
        room = budget - fixed - self._cost_of_headings(tail)
        while True:  # costs of parts are close; where the whole is over the budget after all, a little less is shown
            sure = room // FLASH_SHARE
            shown = self._placed(ranked, room, self._flash(sure, sure)[1], asked)
            flash, _ = self._flash(sure, room - sum(self._tokens(one) for one in shown))
            messages = self._message(head, shown, flash, tail)
            tokens = prompt_tokens(messages, self.counter)
            if tokens <= budget or (flash is None and not shown):
                break
            room -= tokens - budget
        self._shown = {one.turn.number - 1 for one in shown}
        return self._rendered(messages, tokens, shown, flash)

    def retrieved(self, said: str) -> list[Turn]:
        """The turns most like what is said and lately used, the best first, all but the previous one searched, whatever the controller decides."""
        until = len(self.stream) - 1
        if until < 1:
            return []
        relevance = self.stream.relevance(said, until)
        places = self.controls.ranking.best(relevance, self.stream.ages(until + 2, until))
        return [self.stream.turns[place] for place in places]

    def _brought_back(self, asked: str) -> list[Turn]:
        if len(self.stream) < 2 or self.controls.activation == "never":
            return []
        flash = self.stream.turns[-1]
        needed = self.controls.activation == "always" or self.activation.needs_history(f"{flash.number}", asked, flash.text)
        return self.retrieved(asked) if needed else []

    def _flash(self, sure: int, room: int) -> tuple[Placed | None, int]:
        """The previous turn and its tokens: whole where it keeps to its share, else its summary, of which the beginning where not all fits into the room."""
        turn = self.stream.turns[-1]
        if not self.controls.flash:
            return None, 0
        if turn.tokens < self.controls.flash_tokens and turn.tokens <= min(sure, room):
            return Placed(turn, "raw", turn.text), turn.tokens
        if turn.summary_tokens <= room:
            return Placed(turn, "summary", turn.summary), turn.summary_tokens
        text = cut(turn.summary, room, self.counter)
        return (Placed(turn, "summary", text), self.counter.count(text)) if text else (None, 0)

    def _placed(self, ranked: Sequence[Turn], room: int, flash: int, asked: str) -> list[Placed]:
        """The turns brought back, in the forms that fit beside `flash` tokens of the previous one."""
        left = max(room - flash, 0)
        if self.controls.judge is None:
            found = concatenate(ranked, min(left, self.controls.reorganiser.history_tokens), self.counter)
        else:
            found = self.controls.reorganiser.place(
                ranked, left, lambda item, excerpt: self.judgements.answerable(item, excerpt, asked), flash
            )
        return [one for one in found if one.text]

    def _tokens(self, one: Placed) -> int:
        if one.text == one.turn.text:
            return one.turn.tokens
        return one.turn.summary_tokens if one.text == one.turn.summary else self.counter.count(one.text)

    def _cost_of_headings(self, tail: str) -> int:
        return self.counter.count(f"{RELATED}\n\n\n{PREVIOUS}\n\n\n" + (f"{NOW}\n" if tail else ""))

    @staticmethod
    def _message(head: Sequence[Message], shown: Sequence[Placed], flash: Placed | None, tail: str) -> tuple[Message, ...]:
        parts = ["\n".join([RELATED, *(one.text for one in shown)])] if shown else []
        parts += [f"{PREVIOUS}\n{flash.text}"] if flash is not None else []
        said = [f"{NOW}\n{tail}" if parts else tail] if tail else []
        body = "\n\n".join([*parts, *said])
        return (*head, Message("user", body)) if body else tuple(head)

    def _rendered(self, messages: tuple[Message, ...], tokens: int, shown: Sequence[Placed], flash: Placed | None) -> Rendered:
        blocks = [Block(one.turn.chunk, "open" if one.form == "raw" else "folded") for one in shown]
        blocks += [Block(flash.turn.chunk, "current")] if flash is not None else []
        return Rendered(messages, tokens, tuple(blocks), hidden_steps=len(self.stream) - len(blocks))


def _one_of(kind: str | None, rule: Controller, model: Controller | None) -> Controller:
    return model if kind == "model" and model is not None else rule


def without(controls: Controls, what: Literal["controller", "flash", "activation"]) -> Controls:
    """The controls with one part left out, to see what it is worth.

    >>> without(Controls(), "activation").activation
    'never'
    """
    parts: Mapping[str, Mapping[str, Any]] = {
        "controller": {"judge": None}, "flash": {"flash": False}, "activation": {"activation": "never"},
    }  # fmt: skip
    if what not in parts:
        raise InputError(f"{what!r} is no part of the memory: use one of {', '.join(parts)}")
    return replace(controls, **parts[what])
