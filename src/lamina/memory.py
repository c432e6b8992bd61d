"""The facade: one object that remembers. It delegates to a writer, a recaller, a keeper and the stages of consolidation; see `lamina.opening`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from lamina.config import load_config
from lamina.errors import InputError
from lamina.keeping.arguments import (
    Conditions,
    ScopeArguments,
    read_asked,
    read_filter,
    read_ids,
    read_key,
    read_named_scope,
    read_scope,
    read_vector,
    whole_number,
)
from lamina.keeping.feedback import Told, id_of
from lamina.keeping.gate import Gate, load_gate
from lamina.keeping.messages import Content, Message, read_correction, read_drafts
from lamina.keeping.redaction import Redactor, load_redactor
from lamina.models.registry import load_reranker
from lamina.opening import OpenMemory
from lamina.recall.reranking import reranking
from lamina.records import Filter, Hit, Item, Page, Recall, Report, Run
from lamina.scopes import check_scope
from lamina.storage.consents import Consent, in_force
from lamina.storage.protocol import Durability, Order, ScrubReport, Store
from lamina.storage.zooming import zoomed
from lamina.text import check_text
from lamina.times import MomentLike, parse_moment

if TYPE_CHECKING:
    from lamina.algorithms.strength import ForgettingPolicy
    from lamina.consolidation.stages import Consolidator
    from lamina.consolidation.undoing import UndoReport
    from lamina.keeping.erasure import ErasureReceipt
    from lamina.models.grammar import Command
    from lamina.models.protocols import Embedder, Reranker, TokenCounter
    from lamina.profile.biography import Biography
    from lamina.profile.overview import Overview
    from lamina.profile.portrait import Portrait
    from lamina.recall.connections import Connections
    from lamina.recall.explain import Explanation
    from lamina.recall.learned import Learned, RankerInUse
    from lamina.storage.sqlite.doctor import Finding
    from lamina.storage.transfer import ImportReport


class Memory(OpenMemory):
    """A memory in one file.

    Parameters:
        path: the store file, made if it is not there; ":memory:" keeps everything in RAM. Default: `LAMINA_PATH` or "lamina.db".
        embedder: a spec such as "wordllama" or "openai:model@url", or an embedder; default: the one the file was made with.
        durability: "process" (what was acknowledged survives a killed process) or "power" (also a power cut).
        read_only: refuse every write.
        zone: IANA name of the time zone that naive times are in.
        memory_budget: what views in RAM may take with their indexes, in bytes or as text such as "500MB" (default: 2 GB); with too little, vectors are
            kept on disk.
        patience: seconds to wait for another process's write lock.
        language: in which texts are analysed, such as "german", or "none"; a file keeps its own until it is opened with
            another one given here, which builds its lexicon anew. Default for a new file: `LAMINA_LANGUAGE` or "english".
        rebuild: where the file was made with another embedder, embed everything anew instead of raising
            `EmbedderMismatchError`.
        reranker: judges the best hits of a search once more: a spec such as "cross-encoder:<name or folder>", or a reranker.
        index: how vectors are searched: "auto" exactly in small scopes and by a graph, or lists on disk, in large ones (extra "index"), "exact" always
            exactly; "hnsw", "spann" and "usearch" (extra "ann") choose the method for large scopes. See the guide on settings.
        key: of an encrypted file (extra "encryption"): a passphrase, or 32 bytes. Default: `LAMINA_KEY`, or what the file holds that
            `LAMINA_KEY_FILE` names. A new file is encrypted with it.
        redact: what is taken out of messages before anything is stored: kinds such as "email,phone", "all", a function from text to text, or an object with
            `redact(text)`. Default: `LAMINA_REDACT` or nothing.
        gate: what becomes of messages that are no memory (boilerplate, status noise, prompts, repetitions): "none" looks at nothing; "mark" stores them
            hidden, so that `restore` brings them back; "refuse" does not store them; or a `Gate`. Default: `LAMINA_GATE` or "none".
        run: clock, seed, progress and cancellation of the work done here.

    >>> memory = Memory(":memory:")
    >>> _ = memory.add("Ana moved from Porto to Lisbon in March.", user="ana")
    >>> memory.search("where does Ana live now?", user="ana")[0].text
    'Ana moved from Porto to Lisbon in March.'
    >>> memory.search("where does Ana live now?", user="ben")
    []
    >>> memory.close()
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        embedder: str | Embedder | None = None,
        reranker: str | Reranker | None = None,
        durability: Durability | None = None,
        read_only: bool = False,
        zone: str | None = None,
        memory_budget: int | str | None = None,
        patience: float | None = None,
        index: str | None = None,
        language: str | None = None,
        rebuild: bool = False,
        key: str | bytes | None = None,
        redact: str | Redactor | Callable[[str], str] | None = None,
        gate: str | Gate | None = None,
        run: Run | None = None,
    ) -> None:
        self.config = load_config(
            path=path,
            durability=durability,
            zone=zone,
            memory_budget=memory_budget,
            patience=patience,
            index=index,
            language=language,
            redact=redact if isinstance(redact, str) else None,
            gate=gate if isinstance(gate, str) else None,
        )
        self._zone = self.config.timezone()
        self._run = run or Run()
        self._redactor = load_redactor(self.config.redact if redact is None or isinstance(redact, str) else redact)
        self._gate = gate if isinstance(gate, Gate) else load_gate(self.config.gate)
        self._reranker = load_reranker(reranker)
        self._open(embedder, language, rebuild, read_only, read_key(key, self.config.path))

    # -------------------------------------------------------------------------------------------------- writing
    def add(
        self,
        content: Content,
        *,
        session: str | None = None,
        at: MomentLike | None = None,
        until: MomentLike | None = None,
        role: str | None = None,
        speaker: str | None = None,
        place: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        origin: str | None = None,
        echo_of: Sequence[str] | None = None,
        resent: bool = False,
        **whose: Unpack[ScopeArguments],
    ) -> list[str]:
        """Remember a text, a message, or a list of messages, verbatim; returns the ids of the traces in order.

        All of it is stored in one transaction before the call returns; no model is waited for. `origin` makes the call
        repeatable: what was stored under it is not stored again. `resent` says that this is the history of a session, sent once
        more with what is new in it: only that is stored. A message of more than 8,000 characters becomes several traces in order. Raises `InputError` for anything that cannot be kept as it is; nothing is then stored.
        """
        drafts = read_drafts(
            content, self._zone, session=session, at=at, until=until, role=role, speaker=speaker, place=place, metadata=metadata,
            origin=origin, echo_of=echo_of,
        )  # fmt: skip
        scope = read_scope(whose)
        return self._writer.write_resent(drafts, scope) if resent else self._writer.write(drafts, scope)

    def add_many(
        self,
        messages: Iterable[str | Message],
        *,
        session: str | None = None,
        batch: int = 1000,
        progress: Callable[[int], None] | None = None,
        **whose: Unpack[ScopeArguments],
    ) -> int:
        """Remember a stream of messages, `batch` of them a transaction; returns how many traces the stream has.

        Interrupted, what was reported to `progress` (traces so far) is safe; with `origin` in the messages the stream can
        be run again without doubling anything.
        """
        whole_number(batch, "batch", 1)
        if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
            raise InputError(f"add_many takes a stream of messages, not {type(messages).__name__}: use add for one message")
        scope = read_scope(whose)
        pairs = ((draft, scope) for message in messages for draft in read_drafts(message, self._zone, session=session))
        done = 0
        for ids in self._writer.write_many(pairs, batch):
            done += len(ids)
            if progress is not None:
                progress(done)
            self._run.report("adding", done, 0)
        return done

    def update(
        self, id: str, text: str | None = None, *, at: MomentLike | None = None, metadata: Mapping[str, Any] | None = None,
        session: str | None = None,
    ) -> str:  # fmt: skip
        """Correct a trace: a new one takes its place, the old one stays in history. Returns the new id.

        What is not given is kept; `metadata` is merged; `session` moves it to another one. Raises `NotFoundError`, and `InputError` for a derived item.
        """
        old = self._keeper.required(read_ids([id]))[0]
        return self._keeper.update(id, read_correction(old, text, at, metadata, self._zone, session))

    # -------------------------------------------------------------------------------------------------- recall
    def search(
        self, cue: str, *, k: int = 10, vector: Sequence[float] | None = None, rerank: int | None = None,
        **conditions: Unpack[Conditions],
    ) -> list[Hit]:  # fmt: skip
        """The k items that answer a cue best, best first, each with its score, reasons and sources.

        `rerank`: how many of the best the memory's reranker judges once more (default: 50 where there is one; 0: none).
        Raises `InputError` for an empty cue, a k below 1 or a malformed condition.
        """
        hits = self._search(cue, k, vector, rerank, conditions)
        self._echoes.note(hits)
        return hits

    def _search(self, cue: str, k: int, vector: Sequence[float] | None, rerank: int | None, conditions: Conditions) -> list[Hit]:
        where = read_filter(conditions, self._zone)
        check_text(cue, "the cue")
        whole_number(k, "k", 1)
        given = None if vector is None else read_vector(vector)
        again = reranking(self._reranker, rerank)
        self._embedding.check()
        self._embedding.catch_up()
        return self._recaller.search(cue, where, k, given, again)

    def context(
        self, cue: str, *, budget: int = 800, counter: TokenCounter | Callable[[str], int] | None = None, k: int = 100,
        rerank: int | None = None, shown: Sequence[str] = (), **conditions: Unpack[Conditions],
    ) -> Recall:  # fmt: skip
        """What to put into a prompt for a cue: at most `budget` tokens, by `counter` (default: the packaged tokenizer).

        Chosen from the best k hits by what is most likely needed for its tokens; long texts may be excerpts. The text is marked
        as quoted data, says what was superseded, and is empty where nothing fits or nothing is known. `shown` are texts that the
        prompt holds already, such as the messages of the conversation: they are not repeated.
        """
        from lamina.models.tokens import read_counter
        from lamina.recall.pack import pack
        from lamina.recall.repeats import not_shown
        from lamina.recall.standing import read_standing

        whole_number(budget, "budget", 0)
        tokens = read_counter(counter)
        whole_number(k, "k", 1)
        if isinstance(shown, str):
            raise InputError("shown must be a list of texts, not one text")
        hits = self._search(cue, k + len(shown), None, rerank, conditions)
        if shown:
            hits = not_shown(hits, shown)[:k]
        packed = pack(hits, budget, tokens, cue=cue, standing=read_standing(self._store, hits))
        self._echoes.note(packed.hits)  # what is not in the text cannot come back from it
        return packed

    def get(self, id: str) -> Item | None:
        """The item with this id, whatever its state, or None."""
        return self._store.items.get(read_ids([id]))[0]

    def get_all(
        self, *, limit: int = 100, cursor: str | None = None, order: Order = "recorded", **conditions: Unpack[Conditions]
    ) -> Page:
        """One page of all items of a scope; hand `page.cursor` in again for the next. Nothing is capped in silence."""
        whole_number(limit, "limit", 1)
        return self._store.items.page(read_filter(conditions, self._zone), cursor=cursor, limit=limit, order=order)

    def count(self, **conditions: Unpack[Conditions]) -> int:
        """How many items a filter lets through."""
        return self._store.items.count(read_filter(conditions, self._zone))

    def zoom(self, id: str, direction: str = "in") -> list[Item]:
        """From an item to what it contains or cites ("in"), or to what contains or cites it ("out"), in the order of time."""
        if direction not in ("in", "out"):
            raise InputError(f"direction must be 'in' or 'out', not {direction!r}")
        return zoomed(self._store, self._keeper.required(read_ids([id]))[0], out=direction == "out")

    def history(self, id: str) -> list[Item]:
        """Every version of an item and the events that concern it, in the order of recording."""
        return self._keeper.history(read_ids([id])[0])

    def explain(self, hit: Hit | str, *, cue: str | None = None, **conditions: Unpack[Conditions]) -> Explanation:
        """Why a hit is there, as a sentence that unfolds: groups of features, features, what bears them out, sources.

        An item's id will do together with the `cue` (and the conditions) it is to be explained for; it is scored anew then.
        """
        from lamina.recall.explainer import Explainer

        item = self._keeper.required(read_ids([id_of(hit)]))[0]
        asked = read_asked(hit, item, cue, self._where(conditions), self._run.clock())
        self._embedding.check()
        self._embedding.catch_up()
        scored = hit if isinstance(hit, Hit) and hit.asked == asked else None
        return Explainer(self._store, self._recaller).explain(scored, item, asked)

    def connections(self, name: str, *, k: int = 10, **conditions: Unpack[Conditions]) -> Connections:
        """What a name hangs together with: the items that have it, newest first, and the names most often beside it.

        Names are runs of capitalised words (see `lamina.names`); of what is derived, those it lists. Raises `InputError` for an empty name.
        """
        where = read_filter(conditions, self._zone)
        check_text(name, "the name")
        whole_number(k, "k", 1)
        return self._recaller.connections(name, where, k)

    def read_command(self, text: str) -> Command:
        """Read a text as a command to this memory, by rules: an intent, its slots with their spans, the times that are meant.

        Nothing is done by it: a command is a reading, not an act. What is none has no intent.
        """
        from lamina.models.grammar import read_command

        return read_command(text, self._run.clock(), self._zone)

    def facts(
        self, subject: str | None = None, *, attribute: str | None = None, as_of: MomentLike | None = None,
        known_at: MomentLike | None = None, history: bool = False, **whose: Unpack[ScopeArguments],
    ) -> list[Item]:  # fmt: skip
        """What was found of people: what holds now, what held at `as_of`, or what was known at `known_at`; with `history`, all of it.

        Facts are made by `consolidate`. `subject`: of one person alone; `attribute`: one thing, such as "city" or "job". Default scope: everything.
        """
        from lamina.semantic.facts import facts_of

        at, known = (None if one is None else parse_moment(one, self._zone).at for one in (as_of, known_at))
        return facts_of(self._store, read_scope(whose, "*"), subject, at, known, attribute=attribute, history=history)

    def explain_history(self, id: str) -> Explanation:
        """Why an item is as it is: corrected, superseded, refuted, forgotten or restored, as a sentence that unfolds down to traces."""
        from lamina.recall.history import explain_history

        return explain_history(self._store, read_ids([id])[0])

    def topics(self, cue: str | None = None, *, k: int = 5, most: int = 12, **whose: Unpack[ScopeArguments]) -> list[Item]:
        """The topics of a scope at a glance, `most` of them; with a cue the k items that a descent through them comes to.

        Topics are made by `consolidate(also=["topics"])`; without them nothing is found. Raises `InputError` for an empty cue.
        """
        from lamina.semantic.topics import TopicForest

        forest = TopicForest(self._store, read_scope(whose))
        if cue is None:
            return forest.overview(whole_number(most, "most", 1))
        check_text(cue, "the cue")
        vector = self._embedding.embedder.embed([cue], "query")[0]
        return [one.item for one in forest.implicit(cue, vector, k=whole_number(k, "k", 1)).found]

    def portraits(self, person: str | None = None, **whose: Unpack[ScopeArguments]) -> list[Portrait]:
        """Who people are by what they said: lines with evidence and confidence. Made by `consolidate(also=["portraits"])`. Default scope: everything."""
        from lamina.profile.portrait import portraits

        return portraits(self._store, read_scope(whose, "*"), person)

    def biographies(self, person: str | None = None, **whose: Unpack[ScopeArguments]) -> list[Biography]:
        """Who people are as a whole: shades, and what they did lately, in three persons. Made by `consolidate(also=["biographies"])`. Default scope: everything."""
        from lamina.profile.biography import biographies

        return biographies(self._store, read_scope(whose, "*"), person)

    def _where(self, conditions: Conditions) -> Filter | None:
        """The filter that conditions make; None where there are none."""
        return read_filter(conditions, self._zone) if conditions else None

    # -------------------------------------------------------------------------------------------------- learning
    def feedback(self, hits: Told, good: bool = True, *, cue: str | None = None, **conditions: Unpack[Conditions]) -> int:
        """Tell of hits of a search whether they answer the cue; returns how many. What was told last of a hit holds.

        Ids of items will do together with the `cue` (and the conditions) of the search. What is told is kept as events, and goes
        with its item. It changes nothing until `learn` is called.
        """
        return self._feedback.tell(hits, good, cue, self._where(conditions))

    def learn(self, **whose: Unpack[ScopeArguments]) -> Learned:
        """Fit the weights of recall anew on all feedback in a scope and below it, for recalls there ("*": everywhere).

        It is kept only where it helps with cues that are left out in turn. The nearest scope in which something was learned
        counts. Raises `InputError` where there is nothing to learn from.
        """
        from lamina.recall.learning import Learner

        self._embedding.check()
        self._embedding.catch_up()
        return Learner(self._store, self._recaller, self._run).learn(read_scope(whose))

    def unlearn(self, *, feedback: bool = False, **whose: Unpack[ScopeArguments]) -> bool:
        """Go back to the weights from before `learn` in a scope; with `feedback`, what was told there is deleted too.

        Returns whether there was anything to take away.
        """
        return self._feedback.unlearn(read_scope(whose), feedback)

    def ranker(self, **whose: Unpack[ScopeArguments]) -> RankerInUse:
        """The weights that rank in a scope, what was learned of them from feedback, and from how much."""
        from lamina.recall.learned import ranker_in_use

        scope = read_scope(whose)
        return ranker_in_use(self._store, scope, self._recaller.base_in(scope), self._recaller.base_print)

    # -------------------------------------------------------------------------------------------------- forgetting
    def forget(
        self,
        ids: str | Sequence[str] | None = None,
        *,
        policy: ForgettingPolicy | None = None,
        reason: str | None = None,
        **whose: Unpack[ScopeArguments],
    ) -> int:
        """Hide items from recall, given by id, or all that a forgetting policy gives up in a scope; returns how many.

        They can be brought back with `restore`. A policy never gives up a dated commitment before its day.
        """
        if (ids is None) == (policy is None):
            raise InputError("give either the ids to forget, or a policy (and a scope)")
        if reason is not None:
            check_text(reason, "the reason")
        scope = read_scope(whose)
        if ids is not None:
            if any(value is not None for value in whose.values()):
                raise InputError("ids name items of any scope: give a scope only together with a policy")
            return self._keeper.forget(read_ids(ids), reason)
        assert policy is not None
        from lamina.episodic.fading import Fading

        faded = Fading(policy).sweep(self._store, scope, self._run)
        return self._keeper.forget([item.id for item in faded], reason or policy.name, policy=policy.name) if faded else 0

    def restore(self, ids: str | Sequence[str]) -> int:
        """Bring forgotten items back; returns how many."""
        return self._keeper.restore(read_ids(ids))

    def reinforce(self, used: Sequence[Hit | str], *, policy: ForgettingPolicy, signal: float = 1.0) -> int:
        """Tell a forgetting policy that these were of use (a negative signal: that they misled); returns how many.

        Recall itself never changes anything; call this with what an answer really used.
        """
        from lamina.episodic.fading import Fading

        items = self._keeper.required(read_ids([one.id if isinstance(one, Hit) else one for one in used]))
        return Fading(policy).reinforce(self._store, items, self._run, signal)

    def delete(self, ids: str | Sequence[str]) -> int:
        """Remove items for good, and blank what rests on them until it is derived again; returns how many."""
        return self._keeper.delete(read_ids(ids))

    def delete_all(self, **whose: Unpack[ScopeArguments]) -> int:
        """Remove everything in a scope and below it; returns how many items. The scope must be named ("*": everything)."""
        return self._keeper.delete_all(read_named_scope(whose, "delete_all"))

    def erase(self, **whose: Unpack[ScopeArguments]) -> ErasureReceipt:
        """Remove everything in a scope and below it and its bytes from the disk, see that it is gone, and give a receipt of that.

        The scope must be named ("*": everything). Raises `InputError` otherwise.
        """
        from lamina.keeping.erasure import erase

        return erase(self._store, self._keeper, read_named_scope(whose, "erase"), self.scrub, self._run)

    def scrub(self) -> ScrubReport:
        """Take what deletions left on disk away; the report says whether a reader holds it up."""
        self._views.purge()
        return self._store.scrub()

    # -------------------------------------------------------------------------------------------------- consent
    def consent(self, purpose: str, granted: bool, **whose: Unpack[ScopeArguments]) -> str:
        """Record that somebody agrees to a purpose or refuses it, in a scope and below it ("*": everywhere); returns the id of the event.

        Purposes: "store", "recall", "derive", "share", "train". What was said last in the nearest scope holds; what nobody said
        anything about is granted. Raises `InputError` for another purpose. Refusals raise `ConsentError` where something is stored or shared.
        """
        return self._consents.tell(purpose, granted, read_scope(whose))

    def consents(self, **whose: Unpack[ScopeArguments]) -> dict[str, Consent]:
        """What holds in a scope, for each purpose: whether it is granted, and where and when that was said."""
        return {str(purpose): consent for purpose, consent in in_force(self._store, read_scope(whose)).items()}

    # -------------------------------------------------------------------------------------------------- deriving
    def consolidate(
        self, *, also: Sequence[str | Consolidator] = (), run: Run | None = None, **whose: Unpack[ScopeArguments]
    ) -> list[Report]:
        """Sleep: derive the upper levels from what is new. Safe to interrupt and to repeat. Default scope: everything.

        `also`: stages that are not everybody's, by name (see `lamina.consolidation.stages.OPTIONAL`) or as objects. `run` takes the place of the memory's
        own for this call: another progress, another cancellation. Raises `InputError` for a stage that is none.
        """
        from lamina.consolidation.pipeline import Pipeline
        from lamina.consolidation.stages import stages_with

        scope, stages = read_scope(whose, "*"), stages_with(also)
        self._flush(run or self._run)
        reports = Pipeline(stages).run(self._store, scope, run or self._run)
        self._embedding.notify()
        self._views.settle(run or self._run)
        return reports

    def rebuild(
        self, *, embedder: str | Embedder | None = None, also: Sequence[str | Consolidator] = (), run: Run | None = None,
        **whose: Unpack[ScopeArguments],
    ) -> list[Report]:  # fmt: skip
        """Derive everything anew from the traces, with another embedder if one is given. Ids stay what they are. `also`, `run`: as above.

        What a stage made that has to be asked for, and was not, stays as it is.
        """
        from lamina.consolidation.pipeline import Pipeline
        from lamina.consolidation.stages import stages_with
        from lamina.models.registry import load_embedder

        scope, stages = read_scope(whose, "*"), stages_with(also)
        if embedder is not None:
            self._embed_anew(embedder, load_embedder(embedder))
        self._flush(run or self._run)
        reports = Pipeline(stages).rebuild(self._store, scope, run or self._run)
        self._flush(run or self._run)
        return reports

    def undo(self) -> UndoReport:
        """Take back what the last `consolidate` or `rebuild` that changed anything has changed; a further one makes it again.

        Raises `InputError` where nothing can be undone: after a correction, a forgetting or a deletion what was derived before could bring back what is
        no longer there.
        """
        from lamina.consolidation.undoing import undo

        report = undo(self._store)
        self._views.clear()
        self._embedding.notify()
        return report

    def build_index(self, *, run: Run | None = None, **whose: Unpack[ScopeArguments]) -> dict[str, Any]:
        """Embed what waits, and build what recall from a scope searches with now instead of in the background; returns its entry in `stats`.

        It is kept beside the store. Below some 100,000 vectors there is nothing to build. Raises `BudgetError` where the memory budget has no room for it,
        `Cancelled` where `run` is.
        """
        used = run or self._run
        self._flush(used)
        return self._views.build(read_scope(whose), used)

    def flush(self) -> int:
        """Wait until everything is embedded; returns how many items that took. Raises what the embedder raises."""
        return self._flush(self._run)

    # -------------------------------------------------------------------------------------------------- the file
    def export(self, path: str | os.PathLike[str], *, vectors: bool = True, **whose: Unpack[ScopeArguments]) -> int:
        """Write everything in a scope (default: all) to a JSONL file; returns the number of lines. Never overwrites."""
        from lamina.storage.transfer import export_file

        return export_file(self._store, Path(path), read_scope(whose, "*"), vectors)

    def import_(
        self, path: str | os.PathLike[str], *, mend: bool = False, scope: str | None = None, run: Run | None = None
    ) -> ImportReport:
        """Read what `export` wrote, all of it or nothing; what is there already stays as it is.

        With a `scope`, a file that holds anything outside it, or an id that is taken outside it, is refused; and only what belongs to
        items comes in, no vectors of other spaces than the memory's own. `run`: progress and cancellation of this call.
        """
        from lamina.storage.transfer import import_file

        used = run or self._run
        report = import_file(
            self._store, path, mend=mend, within="*" if scope is None else scope,
            progress=lambda done, total: used.report("importing", done, total),
        )  # fmt: skip
        self._embedding.notify()
        return report

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Copy the whole memory to a new file while others go on writing; returns its path."""
        return self._store.backup(Path(path))

    def doctor(self, *, repair: bool = False) -> list[Finding]:
        """Check every invariant of the file; with `repair`, mend what can be mended and return what is left."""
        from lamina.storage.sqlite.doctor import treat

        found = treat(self._store, repair)
        if repair:
            self._views.purge()
        return found

    def stats(self, **whose: Unpack[ScopeArguments]) -> dict[str, Any]:
        """Counts by kind, scopes, feedback, waiting embeddings, the embedder, bytes on disk and in views, and how vectors are searched. (JSON values.)

        `index`, for each scope that was recalled from here: the plan, how many vectors there are and wait to be linked, ef, the recall estimated on recent
        queries, bytes taken and estimated. `index_bytes` are those of the index files beside the store.
        """
        from lamina.storage.statistics import statistics

        scope = read_scope(whose, "*")
        counted = statistics(self._store, scope)
        return {
            **counted,
            "embedder": self._embedding.embedder.name,
            "language": self._store.language,
            "view_bytes": self._views.nbytes(),
            "memory_budget": self.config.memory_budget,
            "index_bytes": self._views.beside.nbytes(),
            "index": self._views.stats(scope),
        }

    def profile(self, **whose: Unpack[ScopeArguments]) -> Overview:
        """What a scope holds at a glance: since when and how much, who speaks, names, what people said of themselves, the newest episodes.

        Found anew on each call by simple rules of English; every statement names its source. Default scope: everything.
        """
        from lamina.profile.overview import overview

        return overview(self._store, read_scope(whose, "*"))

    def scopes(self, under: str = "*") -> list[str]:
        """Every scope something was written in, at or below `under`."""
        return self._store.items.scopes(check_scope(under))

    @property
    def store(self) -> Store:
        """The store below, for those who build on it."""
        return self._store
