"""What the demo measures while it runs: how much of the evidence comes back, by which means, for how many tokens."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final

from lamina.terms import STOPWORDS, terms
from lamina.words import words

if TYPE_CHECKING:
    from lamina import Memory
    from lamina.cli.demo.material import Material, Question
    from lamina.models.protocols import TokenCounter

DEPTHS: Final = (5, 10, 20)
"""How many moments are looked at."""
Ranking = Callable[[str], list[str]]
"""From a question to origins, best first."""


def found(question: Question, origins: Sequence[str]) -> float:
    """The share of a question's evidence that is among some origins."""
    return len(set(question.evidence) & set(origins)) / len(question.evidence)


def recall_at(questions: Sequence[Question], ranking: Ranking, depths: Sequence[int] = DEPTHS) -> list[float]:
    """The mean share of evidence in the top k, for each k."""
    ranked = [ranking(question.text) for question in questions]
    return [fmean(found(question, order[:k]) for question, order in zip(questions, ranked, strict=True)) for k in depths]


def lamina_ranking(memory: Memory, now: str) -> Ranking:
    """The memory itself, asked at a moment."""

    def rank(text: str) -> list[str]:
        hits = memory.search(text, k=max(DEPTHS), kinds=["trace"], as_of=now)
        return [hit.item.origin or "" for hit in hits]

    return rank


def newest_first(material: Material) -> Ranking:
    """The last messages, whatever the question."""
    order = [message["origin"] for message in reversed(material.messages)]
    return lambda text: order


def full_text_ranking(material: Material) -> Ranking | None:
    """SQLite's own full-text search with its BM25, Porter stems, stopwords left out; None where SQLite was built without it."""
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE VIRTUAL TABLE message USING fts5(origin UNINDEXED, body, tokenize='porter unicode61')")
    except sqlite3.OperationalError:
        return None
    database.executemany("INSERT INTO message VALUES (?, ?)", material.lines.items())

    def rank(text: str) -> list[str]:
        query = " OR ".join(f'"{word}"' for word in words(text) if word not in STOPWORDS)
        if not query:
            return []
        chosen = "SELECT origin FROM message WHERE message MATCH ? ORDER BY bm25(message) LIMIT ?"
        return [row[0] for row in database.execute(chosen, (query, max(DEPTHS)))]

    return rank


@dataclass(frozen=True, slots=True)
class Spending:
    """What a way to fill the prompt costs a question on average (tokens), and the mean share of evidence in it."""

    tokens: float
    evidence: float


def spending(memory: Memory, questions: Sequence[Question], budget: int, now: str) -> Spending:
    """What contexts under a budget cost and bring."""
    recalls = [memory.context(question.text, budget=budget, as_of=now, kinds=["trace"]) for question in questions]
    shares = [
        found(question, [hit.item.origin or "" for hit in recall.hits])
        for question, recall in zip(questions, recalls, strict=True)
    ]
    return Spending(fmean(recall.tokens for recall in recalls), fmean(shares))


def last_messages(material: Material, questions: Sequence[Question], budget: int, counter: TokenCounter) -> Spending:
    """The newest messages that fit into a budget, for every question the same."""
    taken: list[str] = []
    tokens = 0
    for message in reversed(material.messages):
        cost = counter.count(material.lines[message["origin"]] + "\n")
        if tokens + cost > budget:
            break
        taken.append(message["origin"])
        tokens += cost
    return Spending(tokens, fmean(found(question, taken) for question in questions))


def full_history(material: Material, counter: TokenCounter) -> int:
    """Tokens of the whole conversation, a message a line."""
    return counter.count("\n".join(material.lines.values()))


def shared_terms(material: Material) -> float:
    """The mean share of a question's stems (stopwords left out) that stand in the messages that answer it."""
    shares = []
    for question in material.questions:
        asked = set(terms(question.text))
        told = {term for origin in question.evidence for term in terms(material.lines[origin])}
        if asked:
            shares.append(len(asked & told) / len(asked))
    return fmean(shares)
