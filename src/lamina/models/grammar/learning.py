"""Learning from few examples: a sentence beside one that is understood and means the same.

Both are digested, and what they have in common is laid aside. Where each gap that remains is a single symbol in the known sentence against
words in the new one, these words become a new variant of that symbol. Where the known sentence can be put in another order, that is
tried as well. Else the learner asks. Variants are only added, and only where the new sentence then means what it was said to
mean and no sentence that is to be kept means something else; so what was known is not forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from lamina.errors import InputError
from lamina.models.grammar.digestion import Items
from lamina.models.grammar.parsing import Grammar
from lamina.models.grammar.patterns import Slot, leaves

_SIGNS: Final = frozenset("()[]{}<>|&")
"""Characters that mean something in a pattern, so that no variant is learned with them."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of an example: the `grammar` afterwards, and the `variants` that it got (symbol and what is said for it); where there are
    none, `why` says the reason ("": the sentence was understood already)."""

    grammar: Grammar
    variants: tuple[tuple[str, str], ...] = ()
    why: str = ""


def learn(grammar: Grammar, sentence: str, known: str, whole: bool = True, keep: Iterable[str] = ()) -> Learned:
    """Learn that `sentence` means what the understood sentence `known` means; raises `InputError` where `known` is not understood.

    `whole`: whether a sentence with nothing in common may become a variant of its frame, its data apart. `keep`: sentences that must
    go on meaning what they mean; a variant that changes one of them is not learned.

    >>> from lamina.models.grammar import read_domain
    >>> lamp = Grammar(read_domain({"name": "lamp", "goal": "order", "layers": [
    ...     {"name": "words", "symbols": {"switch": ["switch"], "lamp": ["lamp"]}},
    ...     {"name": "sentences", "symbols": {"on": {"type": "order", "says": ["<switch> on the <lamp>"]}}}]}))
    >>> learned = learn(lamp, "switch on the torch", "switch on the lamp")
    >>> learned.variants, learned.grammar.parse("switch on the torch").normal()
    ((('lamp', 'torch'),), 'switch on the lamp')
    >>> learn(lamp, "make some light", "switch on the lamp", whole=False).why
    "'make some light' is too far from what is known: give an example that differs in single words"
    """
    target = grammar.parse(known)
    if not target.ok:
        raise InputError(f"{known!r} is not understood, so nothing can be learned from it: give a sentence the grammar reads")
    there = grammar.parse(sentence)
    if there.ok and there.meaning == target.meaning:
        return Learned(grammar)
    if there.ok:
        return Learned(
            grammar, why=f"{sentence!r} means {there.code()!r} already: a variant of something else would change what is known"
        )
    why = f"{sentence!r} is too far from what is known: give an example that differs in single words"
    for spelling in target.spellings():
        for variants in _gaps(grammar, sentence, spelling, whole):
            domain = grammar.domain
            try:
                for symbol, say in variants:
                    domain = domain.with_variant(symbol, say)
                better = Grammar(domain)
            except InputError as error:
                why = str(error)
                continue
            if _agrees(better, sentence, known):
                before = ((one, grammar.parse(one)) for one in keep)
                changed = next((one for one, parse in before if parse.ok and better.parse(one).meaning != parse.meaning), None)
                if changed is None:
                    return Learned(better, tuple(variants))
                why = f"{variants!r} would change what {changed!r} means"
                continue
            why = f"{sentence!r} would not mean the same with {variants!r}: other rules read parts of it"
    return Learned(grammar, why=why)


def learn_all(grammar: Grammar, pairs: Iterable[tuple[str, str]], keep: Iterable[str] = ()) -> tuple[Grammar, list[Learned]]:
    """Learn from pairs of a new and a known sentence, again and again until nothing more comes of it; returns what is left to ask too.

    The known sentences, and the new ones once they are understood, go on meaning what they mean; so do those of `keep`.
    """
    left = list(pairs)
    kept = dict.fromkeys([*keep, *(known for _, known in left)])
    asked: list[Learned] = []
    whole = False
    while left:
        again: list[tuple[str, str]] = []
        asked = []
        for pair in left:
            learned = learn(grammar, *pair, whole, kept)
            grammar = learned.grammar
            if learned.why:
                again.append(pair)
                asked.append(learned)
            else:
                kept[pair[0]] = None
        if len(again) == len(left):
            if whole:
                break
            whole = True  # words first: a whole sentence teaches least
        left = again
    return grammar, asked


def _agrees(grammar: Grammar, sentence: str, known: str) -> bool:
    there, target = grammar.parse(sentence), grammar.parse(known)
    return there.ok and target.ok and there.meaning == target.meaning


def _gaps(grammar: Grammar, sentence: str, known: str, whole: bool) -> Iterable[list[tuple[str, str]]]:
    """The symbols that the gaps stand for, with the variants they would be, from the lowest layer up."""
    here, there = grammar.words(sentence).words, grammar.words(known).words
    new, old = grammar.start(sentence), grammar.start(known)
    for digester in grammar.digesters:
        below = new
        new, old = digester.digest(new), digester.digest(old)
        found: list[tuple[str, str]] = []
        for (start, end), place in _aligned(new, old) or ():
            node = old.cells[place][3]
            if end - start == len(new.keys) and not whole:
                break
            if node is None or node.rule.symbol not in grammar.domain.layers[digester.number].symbols:
                break
            types = {leaf.name: leaf.type for leaf in leaves(node.rule.variant.pattern) if isinstance(leaf, Slot)}
            if types.keys() != node.slots.keys():
                break  # slots that symbols below hand on: the gap lies in one of those
            fills = {name: there[piece.first : piece.last + 1] for name, piece in node.slots.items()}
            say = _said(below, here, new.cells[start][1], new.cells[end - 1][2], fills, types)
            if say is None:
                break
            found.append((node.rule.symbol.name, say))
        else:
            if found:
                yield list(dict.fromkeys(found))


def _aligned(new: Items, old: Items) -> list[tuple[tuple[int, int], int]] | None:
    """The gaps between what both have in common, each a stretch of new items and the one old item it stands against (as many against as
    many: one against one); None where a gap is of another form."""
    gaps: list[tuple[tuple[int, int], int]] = []
    for kind, start, end, first, last in SequenceMatcher(None, new.keys, old.keys, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if first == last and first and old.cells[first - 1][3] is not None and not (gaps and gaps[-1][1] == first - 1):
            start, first = start - 1, first - 1  # words behind a symbol: it may be a longer form of it
        if 0 < last - first == end - start:
            gaps += (((start + more, start + more + 1), first + more) for more in range(end - start))
        elif last - first == 1 and end > start:
            gaps.append(((start, end), first))
        else:
            return None
    return gaps


def _said(
    below: Items, words: Sequence[str], first: int, last: int, fills: Mapping[str, Sequence[str]], types: Mapping[str, str]
) -> str | None:
    """The variant that words `first` to `last` are, slots in place of what fills them; None where data is left that fills none."""
    parts: list[str] = []
    used: set[str] = set()
    for key, (kinds, begin, stop, node) in zip(below.keys, below.cells, strict=True):
        if begin < first or stop > last:
            continue
        slot = next(
            (name for name, fill in fills.items() if name not in used and list(fill) == list(words[begin : stop + 1])), None
        )
        if kinds and slot is not None:
            used.add(slot)
            parts.append(f"{{{slot}:{types[slot]}}}")
        elif kinds or not _SIGNS.isdisjoint(key if node is None else ""):
            return None
        else:
            parts.append(key)
    return " ".join(parts) if used == fills.keys() and parts else None
