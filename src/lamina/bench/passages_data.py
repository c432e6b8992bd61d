"""Sets of passages with questions whose answer takes several of them, in the form the HippoRAG repository gives them.

A set NAME is two files. NAME_corpus.json has the passages: a list of {"title", "text"}, or an object of titles with the
sentences of each. NAME.json has the questions: with "paragraphs" that are marked "is_supporting" (as MuSiQue), or with
"supporting_facts", pairs of a title and a sentence's number (as HotpotQA).

Sources: B. J. Gutiérrez et al., "HippoRAG: Neurobiologically Inspired Long-Term Memory for Large Language Models", 2024; H. Trivedi et
al., "MuSiQue: Multihop Questions via Single-hop Question Composition", 2022; Z. Yang et al., "HotpotQA: A Dataset for Diverse,
Explainable Multi-hop Question Answering", 2018.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.errors import InputError

_HOPS = re.compile(r"(\d)hop")

Known = dict[str, str]
"""The id of each passage by what questions know it by: its whole text, or its title alone."""


def load_set(folder: Path, name: str, seed: int) -> Collection:
    """The passages and questions of one set.

    An item is "title\\ntext". The passages are SHUFFLED with the seed: in the files the passages of one question stand
    together, so that their order would give the answer away to a system that looks at what stands beside an item. Raises
    `InputError` for a file that is missing or malformed, and for a question whose passages are not in the corpus.
    """
    corpus, questions = folder / f"{name}_corpus.json", folder / f"{name}.json"
    texts, known = _read_corpus(_read(corpus), corpus)
    entries = _read(questions)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{questions} must hold a list of questions, with at least one in it")
    asked = [_question(entry, known, name, f"{questions}: question {place}") for place, entry in enumerate(entries)]
    passages = [Passage(id, text, None, None) for id, text in texts.items()]
    random.Random(seed).shuffle(passages)
    return Collection(name, passages, asked)


def _read(file: Path) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): a set NAME is NAME.json and NAME_corpus.json") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({error})") from None


def _read_corpus(corpus: Any, file: Path) -> tuple[dict[str, str], Known]:
    """Passages by id, each once, and the ids by what questions know them by."""
    if isinstance(corpus, dict):
        pairs = [(title, _sentences(sentences, f"{file}: {title!r}")) for title, sentences in corpus.items()]
    elif isinstance(corpus, list):
        pairs = [_titled(entry, f"{file}: passage {place}") for place, entry in enumerate(corpus)]
    else:
        raise InputError(f"{file} must hold a list of passages, or an object of titles, not {type(corpus).__name__}")
    if not pairs:
        raise InputError(f"{file} has no passages")
    texts: dict[str, str] = {}
    known: Known = {}
    by_title = isinstance(corpus, dict)
    for title, body in pairs:
        text = _item(title, body)
        if not text.strip():
            raise InputError(f"{file}: a passage has neither title nor text")
        key = title if by_title else text
        if key not in known:
            known[key] = str(len(texts))
            texts[known[key]] = text
    return texts, known


def _titled(entry: Any, what: str) -> tuple[str, str]:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("title", "text")):
        raise InputError(f"{what} must be an object with 'title' and 'text'")
    return entry["title"], entry["text"]


def _sentences(sentences: Any, what: str) -> str:
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise InputError(f"{what} must have a list of sentences")
    return "".join(sentences)


def _item(title: str, text: str) -> str:
    return f"{title}\n{text}" if title.strip() else text


def _question(entry: Any, known: Known, name: str, what: str) -> Asked:
    """A question with the ids of its passages, in the slice of its kind."""
    if not isinstance(entry, dict) or not isinstance(entry.get("question"), str) or not entry["question"].strip():
        raise InputError(f"{what} must be an object with a 'question'")
    if isinstance(entry.get("paragraphs"), list):
        supporting = _supporting_paragraphs(entry["paragraphs"], what)
        hops = _HOPS.match(str(entry.get("id", "")))
        kind = f"{hops[1]} hops" if hops else "questions"
    elif isinstance(entry.get("supporting_facts"), list):
        supporting = _supporting_titles(entry["supporting_facts"], what)
        kind = str(entry.get("type") or "questions")
    else:
        raise InputError(f"{what} has neither a list of 'paragraphs' nor of 'supporting_facts': nothing says what answers it")
    if not supporting:
        raise InputError(f"{what} has no supporting passage")
    missing = [key for key in supporting if key not in known]
    if missing:
        raise InputError(f"{what}: its passage {missing[0][:60]!r} is not in the corpus: the two files must be of one set")
    return Asked(entry["question"], frozenset(known[key] for key in supporting), f"{name}: {kind}")


def _supporting_paragraphs(paragraphs: list[Any], what: str) -> list[str]:
    supporting = []
    for place, one in enumerate(paragraphs):
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("title", "paragraph_text")):
            raise InputError(f"{what}: paragraph {place} must be an object with 'title' and 'paragraph_text'")
        if one.get("is_supporting") is True:
            supporting.append(_item(one["title"], one["paragraph_text"]))
    return supporting


def _supporting_titles(facts: list[Any], what: str) -> list[str]:
    for fact in facts:
        if not isinstance(fact, list) or not fact or not isinstance(fact[0], str):
            raise InputError(f"{what}: a supporting fact must be a pair of a title and a number, not {fact!r}")
    return [fact[0] for fact in facts]
