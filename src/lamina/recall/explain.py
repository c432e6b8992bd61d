"""Why a hit is there: one sentence, which unfolds into groups of features, single features, what bears them out, and sources.

Source: V. A. Kazakova 2023, SPLAIN: Augmenting Cybersecurity Warnings with Reasons and Data. Only its abstract could be read:
fixed templates, a hierarchy opened on demand, what speaks against a conclusion beside what speaks for it. The templates are an
interpretation. A score is a sum, so its parts are its causes; nothing else is said to be one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import InputError
from lamina.recall.evidence import Evidence, quoted
from lamina.recall.features import FEATURES, Feature
from lamina.records import Hit, Item, Reason
from lamina.times import isoformat

CUT: Final = 0.05
"""Groups with a smaller share are not named in the sentence, unless they speak against the hit."""
NAMED: Final = 3
"""How many groups the sentence names on each side; the others are counted."""
DEPTH: Final = 4
"""The deepest level."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A node of the tree. `level`: 0 the sentence, 4 at the bottom; of a hit: 1 groups, 2 features, 3 what bears a feature out, 4 sources.

    `id`: its path, the same for the same thing; a fact that bears out several features has one id. `text`: what it says.
    `contribution`: its part of the score, None for what is no part of it; the parts below a node sum to its own. `share`:
    its weight among its siblings, their contributions taken without sign. `evidence`: ids of the items it is about. `title`: what
    it goes by where it was said before.
    """

    id: str
    level: int
    text: str
    contribution: float | None = None
    share: float | None = None
    children: tuple[Explanation, ...] = ()
    evidence: tuple[str, ...] = ()
    title: str = ""

    def __str__(self) -> str:
        return self.text

    def walk(self, depth: int = DEPTH) -> Iterator[Explanation]:
        """The nodes down to a level, each before its children."""
        yield self
        for child in self.children:
            if child.level <= depth:
                yield from child.walk(depth)

    def unfold(self, depth: int = DEPTH, opened: Collection[str] = ()) -> str:
        """The tree down to a level, and the nodes with the ids `opened` wherever they stand, as indented lines; what was said before
        is only referred to.

        >>> tree = Explanation("", 0, "Because.", 1.0, None, (Explanation("words", 1, "words: +1.00", 1.0, 1.0),))
        >>> print(tree.unfold(0))
        Because. (1 detail)
        >>> print(tree.unfold(1))
        Because.
          words: +1.00 (100 %)
        >>> tree.unfold(0, opened=[""]) == tree.unfold(1)
        True
        """
        return "\n".join("  " * indent + line for indent, _, line in self.lines(depth, opened))

    def lines(self, depth: int = DEPTH, opened: Collection[str] = ()) -> list[tuple[int, Explanation, str]]:
        """How deep each node of the unfolded tree stands, the node, and its line."""
        return list(_lines(self, depth, frozenset(opened), 0, set()))

    def paths(self, many: int = 1) -> list[tuple[Explanation, ...]]:
        """Ways from here to the bottom: through the `many` strongest parts where they first divide, and by the strongest part from there on.

        Whoever looks for the single thing that counts most compares the ends of two or three: it may lie in a part that is not the strongest.
        Raises `InputError` for `many` below 1.

        >>> leaf = Explanation("a/b", 2, "b", 1.0, 1.0)
        >>> tree = Explanation("", 0, "", 1.5, None, (Explanation("a", 1, "a", 1.0, 0.7, (leaf,)), Explanation("c", 1, "c", 0.5, 0.3)))
        >>> [[node.id for node in path] for path in tree.paths(2)]
        [['', 'a', 'a/b'], ['', 'c']]
        """
        if many < 1:
            raise InputError(f"many must be at least 1, not {many}: as many ways are taken")
        if not self.children:
            return [(self,)]
        if len(self.children) == 1:
            return [(self, *path) for path in self.children[0].paths(many)]
        return [(self, *child.paths()[0]) for child in self.children[:many]]

    def to_json(self) -> dict[str, Any]:
        """The whole tree as JSON values; what is not set is left out."""
        fields = {
            "id": self.id,
            "level": self.level,
            "text": self.text,
            "contribution": self.contribution,
            "share": self.share,
            "evidence": list(self.evidence) or None,
            "children": [child.to_json() for child in self.children] or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


def explain(hit: Hit, evidence: Evidence, sources: Sequence[Item] = (), features: Sequence[Feature] = FEATURES) -> Explanation:
    """The explanation of a hit from its reasons, what bears them out, and the traces it rests on.

    Raises `InputError` for reasons that are no numbers, or do not sum to the score.
    """
    _check(hit)
    known = {feature.name: feature for feature in features}
    groups: dict[str, list[Reason]] = {}
    for reason in hit.reasons:
        feature = known.get(reason.feature)
        name = reason.feature if feature is None else feature.group
        groups.setdefault(name, []).append(reason)
    children = _shared([_group(name, reasons, evidence) for name, reasons in groups.items()])
    rests = tuple(_source(item) for item in sources)
    return Explanation(
        id="",
        level=0,
        text=_sentence(groups, children, evidence),
        contribution=hit.score,
        children=(*children, *rests),
        evidence=(hit.id,),
    )


def _check(hit: Hit) -> None:
    for reason in hit.reasons:
        if not (math.isfinite(reason.value) and math.isfinite(reason.contribution)):
            raise InputError(f"the reason {reason.feature!r} of {hit.id} is not a number: search again")
    total = math.fsum(reason.contribution for reason in hit.reasons)
    size = math.fsum(abs(reason.contribution) for reason in hit.reasons)
    if not abs(total - hit.score) <= 1e-3 + 1e-5 * size:
        raise InputError(f"the reasons of {hit.id} sum to {total:.4g} and not to its score {hit.score:.4g}: search again")


def _group(name: str, reasons: Sequence[Reason], evidence: Evidence) -> Explanation:
    """The node of a group with its features, the one that counts most first."""
    children = _shared([_feature(name, reason, evidence) for reason in reasons])
    total = math.fsum(reason.contribution for reason in reasons)
    return Explanation(name, 1, f"{name}: {total:+.2f}", total, None, children)


def _feature(group: str, reason: Reason, evidence: Evidence) -> Explanation:
    weight = reason.contribution / reason.value if reason.value else 0.0
    text = f"{_words(reason)}: {reason.value:.3f} × {weight:.3f} = {reason.contribution:+.3f}"
    facts = tuple(Explanation(f"fact/{fact.what}", 3, fact.text, evidence=fact.ids) for fact in evidence.of(reason.feature))
    return Explanation(f"{group}/{reason.feature}", 2, text, reason.contribution, None, facts)


def _source(item: Item) -> Explanation:
    who = f", {item.speaker}" if item.speaker else ""
    text = f"rests on {item.kind} {item.id} ({isoformat(item.at, item.offset)[:10]}{who}): “{quoted(item.text)}”"
    return Explanation(f"source/{item.id}", 4, text, evidence=(item.id,))


def _shared(nodes: Sequence[Explanation]) -> tuple[Explanation, ...]:
    """Siblings with their shares, the largest part first."""
    size = math.fsum(abs(node.contribution or 0.0) for node in nodes)
    with_shares = [
        Explanation(
            node.id,
            node.level,
            node.text,
            node.contribution,
            abs(node.contribution or 0.0) / size if size else 0.0,
            node.children,
        )
        for node in nodes
    ]
    return tuple(sorted(with_shares, key=lambda node: (-abs(node.contribution or 0.0), node.id)))


def _sentence(groups: Mapping[str, Sequence[Reason]], nodes: Sequence[Explanation], evidence: Evidence) -> str:
    """What speaks for the hit and what against it, in the words of the strongest feature of each group."""
    sides = []
    for sign, label in ((1, "For it"), (-1, "Against it")):
        found = [node for node in nodes if sign * (node.contribution or 0.0) > 0]
        named = [node for node in found if sign < 0 or (node.share or 0.0) >= CUT or node is found[0]][:NAMED]
        if not named:
            continue
        strongest = [max(groups[node.id], key=lambda reason: sign * reason.contribution) for node in named]
        shown = [_words(reason) + _brief(evidence, reason) for reason in strongest]
        more = len(found) - len(named)
        if more:
            shown.append(f"{more} more")
        sides.append(f"{label}: {'; '.join(shown)}.")
    return " ".join(sides) or "Nothing speaks for it or against it."


def _words(reason: Reason) -> str:
    return reason.words or reason.feature


def _brief(evidence: Evidence, reason: Reason) -> str:
    """A fact in a few signs, where the feature looks at this one alone; and that a value measured from the mean is below it."""
    if reason.value < 0:
        return " (less than on average)"
    facts = evidence.of(reason.feature)
    return f" ({facts[0].brief})" if len(facts) == 1 and facts[0].brief else ""


def _lines(
    node: Explanation, depth: int, opened: frozenset[str], indent: int, seen: set[str]
) -> Iterator[tuple[int, Explanation, str]]:
    if node.level >= 3 and node.id in seen:
        yield indent, node, f"{node.title or node.id.partition('/')[2]}: see above"
        return
    seen.add(node.id)
    shown = [child for child in node.children if child.level <= depth or node.id in opened]
    folded = len(node.children) - len(shown)
    share = f" ({percent(node.share)})" if node.share is not None else ""
    more = f" ({folded} {'detail' if folded == 1 else 'details'})" if folded else ""
    yield indent, node, node.text + share + more
    for child in shown:
        yield from _lines(child, depth, opened, indent + 1, seen)


def percent(share: float) -> str:
    """A share for people: without decimals, with one where it is close to nothing or to all; never rounded to all or nothing.

    >>> [percent(share) for share in (0.0, 0.0004, 0.004, 0.25, 0.993, 0.9996, 1.0)]
    ['0 %', '< 0.1 %', '0.4 %', '25 %', '99.3 %', '> 99.9 %', '100 %']
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.001:
        return "< 0.1 %"
    if share > 0.999:
        return "> 99.9 %"
    return f"{100 * share:.{0 if 0.01 <= share <= 0.99 else 1}f} %"
