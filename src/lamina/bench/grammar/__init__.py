"""Grammars: commands to a memory read by rules, and the effects of the source on a small language of programs.

Rows: `commands …`, the labelled list of `corpora/commands.jsonl` (held-out: written before there was any rule; no rule was changed for its
failures, but which times are found in it was seen; the same hand wrote both, so other people's commands are read less often), against the nearest sentence of the tuning part by
static vectors; `forest`, how many sentences a domain covers for what is written in it, against a list as long; `programs`, drawn programs read,
run and compared; `learning N`, exact normal forms of unseen sentences after N pairs; `sequence`, the first of five domains before and
after the others were learned.

Not measured here: a sequence-to-sequence model and a transformer's sentence encoder, which the core does not have. A linear classifier and
static vectors stand in their place, so the source's figures of size and speed against neural models are not repeated.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from lamina.bench.grammar import hidden
from lamina.bench.grammar.programs import FRAMES, data, execute, script_domain, script_grammar
from lamina.bench.results import Result, Row, fingerprint
from lamina.errors import InputError
from lamina.models.grammar import Grammar, packaged_domain, read_command
from lamina.models.grammar.producing import Producer
from lamina.models.static import StaticEmbedder

LABELLED: Final = Path("corpora/commands.jsonl")
PARTS: Final = ("tuning", "held-out")
NOW: Final = 1_795_651_200_000_000  # 26 November 2026
PAIRS: Final = (50, 100, 200, 400)
SEEDS: Final = 3
GROUPS: Final = (("assign",), ("show", "push"), ("raise_by", "lower_by"), ("start_list", "read_file"), ("take_last",))
"""Five domains to be learned one after the other."""


def read_labelled(file: Path) -> list[dict[str, Any]]:
    """The labelled commands of a file; raises `InputError` where it is not there or a line makes no sense."""
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}): run this in a checkout, or name the file with --set labelled=FILE"
        ) from None
    except ValueError as error:
        raise InputError(f"{file} is not a file of labelled commands: {error}") from None
    if not rows or not all(isinstance(one, dict) and {"part", "text", "intent", "slots"} <= one.keys() for one in rows):
        raise InputError(f"{file} is not a file of labelled commands: each line needs part, text, intent and slots")
    return rows


def command_metrics(rows: Sequence[Mapping[str, Any]], intent_of: Callable[[str], str]) -> dict[str, float]:
    """Intent accuracy over all, over commands and over what is none ("false": taken for a command)."""
    right: list[bool] = [intent_of(one["text"]) == one["intent"] for one in rows]
    commands = [place for place, one in enumerate(rows) if one["intent"] != "none"]
    others = [place for place, one in enumerate(rows) if one["intent"] == "none"]
    return {
        "intent": sum(right) / len(rows),
        "commands": sum(right[place] for place in commands) / max(1, len(commands)),
        "false": sum(not right[place] for place in others) / max(1, len(others)),
    }


def _grammar_intent(text: str) -> str:
    return read_command(text, NOW).intent or "none"


def _slots_exact(rows: Sequence[Mapping[str, Any]]) -> float:
    """Of commands whose intent is read, the share whose slots are all exactly those wanted."""
    found = [(one, read_command(one["text"], NOW)) for one in rows if one["intent"] != "none"]
    read = [(one, command) for one, command in found if command.intent == one["intent"]]
    exact = [{name: slot.text for name, slot in command.slots.items()} == dict(one["slots"]) for one, command in read]
    return sum(exact) / max(1, len(read))


def speed(texts: Sequence[str], repeats: int = 15, times: bool = False) -> float:
    """Commands read a second of processor time, slots, spans and trace made; the best of some rounds. `times`: those too."""

    def once() -> float:
        began = time.process_time()
        for text in texts:
            command = read_command(text, NOW)
            _ = command.trace
            if times:
                _ = command.times
        return time.process_time() - began

    return len(texts) / min(once() for _ in range(repeats))


def _command_rows(labelled: Sequence[Mapping[str, Any]]) -> list[Row]:
    tuning = [one for one in labelled if one["part"] == "tuning"]
    embedder = StaticEmbedder()
    known = embedder.embed([one["text"] for one in tuning])

    def nearest(text: str) -> str:
        return str(tuning[int(np.argmax(known @ embedder.embed([text])[0]))]["intent"])

    rows: list[Row] = []
    for part in PARTS:
        some = [one for one in labelled if one["part"] == part]
        texts = [one["text"] for one in some]
        untimed = [text for text in texts if read_command(text, NOW).parse.times is None]
        by = {
            f"intent {intent}": {
                "intent": command_metrics([one for one in some if one["intent"] == intent], _grammar_intent)["intent"]
            }
            for intent in sorted({one["intent"] for one in some})
        }
        metrics = command_metrics(some, _grammar_intent)
        metrics |= {"slots": _slots_exact(some), "per_second": speed(texts), "untimed_per_second": speed(untimed)}
        rows.append(Row(f"commands {part}", {**metrics, "with_times_per_second": speed(texts, times=True)}, by))
    rows.append(Row("commands all", {"per_second": speed([one["text"] for one in labelled])}))
    held = [one for one in labelled if one["part"] == "held-out"]
    rows.append(Row("commands held-out, nearest sentence", command_metrics(held, nearest)))
    return rows


def coverage(count: int, seed: int, depth: int = 2) -> dict[str, float]:
    """What the small language covers for what is written in it, and what a list of as many sentences does."""
    domain, grammar, producer = script_domain(), script_grammar(), Producer(script_domain(), depth)
    weights = [producer.count(frame) for frame in FRAMES]
    random = Random(seed)
    drawn = [producer.draw(random.choices(FRAMES, weights)[0], random, data) for _ in range(count)]
    even = [producer.draw(random.choice(FRAMES), random, data) for _ in range(count)]
    listed = {producer.draw(random.choices(FRAMES, weights)[0], random, data).text for _ in range(domain.variants)}
    read = [grammar.parse(one.text).meaning == [one.meaning] for one in drawn]
    return {
        "variants": float(domain.variants),
        "sentences": float(sum(weights)),
        "read": sum(read) / count,
        "read_even_frames": sum(grammar.parse(one.text).meaning == [one.meaning] for one in even) / count,
        "list_read": sum(one.text in listed for one in drawn) / count,
    }


def programs(count: int, seed: int, statements: int = 6) -> dict[str, float]:
    """Drawn programs: the share that prints what the drawn meanings print, and of those printing anything at all."""
    producer, grammar, random = Producer(script_domain(), depth=1), script_grammar(), Random(seed)
    same = prints = 0
    for _ in range(count):
        drawn = [producer.draw(random.choice(FRAMES), random, data) for _ in range(statements)]
        drawn += [producer.draw("show", random, data)]
        wanted = execute([one.meaning for one in drawn])
        got = execute([meaning for one in drawn for meaning in grammar.parse(one.text).meaning])
        same += wanted == got
        prints += len(wanted) > 1
    return {"same_output": same / count, "print_more_than_the_last": prints / count}


def footprint() -> dict[str, float]:
    """Bytes of the two domains as files, and the memory that making and using the grammar of commands takes."""
    folder = Path(__file__).parent
    files = [folder / "script.toml", folder.parent.parent / "models" / "grammar" / "domains" / "memory.toml"]
    tracemalloc.start()
    grammar = Grammar(packaged_domain("memory"))
    grammar.parse("what did Ana say about Lisbon in spring?", now=NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "script_bytes": float(files[0].stat().st_size),
        "memory_bytes": float(files[1].stat().st_size),
        "peak_bytes": float(peak),
    }


def _learners() -> list[hidden.Learner]:
    embedder = StaticEmbedder()
    return [
        hidden.Forest(),
        hidden.Nearest("nearest by static vectors", lambda texts: embedder.embed(list(texts))),
        hidden.Softmax(),
    ]


def learning(pairs: int, seeds: int = SEEDS, unseen: int = 2_000) -> dict[str, float]:
    """The share of unseen sentences normalised exactly after so many pairs, by learner, the mean over seeds; the grammar leaves what it does
    not understand, so what it reads wrongly is told apart."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        test = hidden.draw_pairs(unseen, Random(1_000 + seed))
        seen = hidden.draw_pairs(pairs, Random(seed), avoid=frozenset(sentence for sentence, _ in test))
        for learner in _learners():
            learner.fit(seen)
            found.setdefault(learner.name, []).append(hidden.exact(learner, test))
            if isinstance(learner, hidden.Forest):
                wrong = sum(learner.normal(sentence) not in ("", known) for sentence, known in test) / len(test)
                found.setdefault(f"{learner.name}, read wrongly", []).append(wrong)
    return {name: float(np.mean(values)) for name, values in found.items()}


def sequence(pairs: int = 80, unseen: int = 400, seed: int = 0) -> dict[str, float]:
    """What five domains learned one after the other do to the first: exact normal forms before and after, by learner."""
    test = hidden.draw_pairs(unseen, Random(seed), GROUPS[0])
    found: dict[str, float] = {}
    for learner in (hidden.Forest(), hidden.Softmax()):
        for number, group in enumerate(GROUPS):
            most = 20 if group == ("take_last",) else pairs
            learner.fit(hidden.draw_pairs(most, Random(10 * seed + number + 1), group))
            if number == 0:
                found[f"{learner.name}, before"] = hidden.exact(learner, test)
        found[f"{learner.name}, after"] = hidden.exact(learner, test)
    return found


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    labelled: str | Path = LABELLED,
    drawn: int = 20_000,
    seeds: int = SEEDS,
) -> Result:
    """Read the labelled commands, then draw, read, run and learn sentences of the small language; `drawn`: how many are read."""
    file = Path(labelled)
    commands = read_labelled(file)
    progress("grammar: commands")
    rows = _command_rows(commands)
    progress("grammar: coverage")
    rows.append(Row("forest", {**coverage(drawn, seed), **footprint()}))
    rows.append(Row("programs", programs(500, seed)))
    for pairs in PAIRS:
        progress(f"grammar: learning from {pairs} pairs")
        rows.append(Row(f"learning {pairs}", learning(pairs, seeds)))
    rows.append(Row("sequence", sequence(seed=seed)))
    config = {"seed": seed, "drawn": drawn, "seeds": seeds, "labelled": len(commands), "now": NOW}
    return Result("grammar", fingerprint(file), config, rows)
