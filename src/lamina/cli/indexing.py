"""Commands about vector indexes in folders of their own: index build, import, search, tune, info, verify, repair, compact, estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lamina.cli import options
from lamina.cli.failures import FINDINGS
from lamina.cli.output import amount, console, fields_of, note, print_json, say, size
from lamina.cli.work import at_work
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.index.collection import Collection, Match

Folder = Annotated[Path, typer.Argument(metavar="INDEX", help="The folder of an index.", show_default=False)]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The folder that the index is written to.", show_default=False)]
Kind = Annotated[
    str,
    typer.Option(
        "--kind", help="exact (every vector compared), hnsw (a graph), spann (lists on disk), lsh (a hash table) or usearch."
    ),
]
Metric = Annotated[
    str | None, typer.Option("--metric", help="ip, cosine or l2. [default: what the file says, else ip]", show_default=False)
]
Form = Annotated[
    str | None, typer.Option("--form", help="How vectors lie in memory: float32, float16 or int8 (hnsw).", show_default=False)
]
Links = Annotated[
    int | None, typer.Option("--M", min=2, help="Links of a vector (hnsw: 16 where it is not given).", show_default=False)
]
Construction = Annotated[
    int | None, typer.Option("--ef-construction", min=1, help="Candidates kept while linking (hnsw: 200).", show_default=False)
]
OnDisk = Annotated[
    bool, typer.Option("--full-on-disk", help="Leave the 16-bit vectors that int8 ones are re-ranked by in a file (hnsw, int8).")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads that build (hnsw: 1).", show_default=False)]
Ef = Annotated[int | None, typer.Option("--ef", min=1, help="Candidates kept while searching (hnsw).", show_default=False)]
K = Annotated[int, typer.Option("--k", "-k", min=1, help="How many to find for each query.")]


TUNED: Final[Mapping[str, str]] = {"hnsw": "ef", "spann": "probes"}
"""What is tuned of an index, by its kind."""


def build(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Vectors: a .npy file of shape (vectors, dimensions), or an .hdf5 file of ann-benchmarks."
        ),
    ],
    out: Out,
    kind: Kind = "hnsw",
    metric: Metric = None,
    form: Form = None,
    on_disk: OnDisk = False,
    most: Links = None,
    ef_construction: Construction = None,
    threads: Threads = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of what is drawn.", show_default=False)] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="A text file with an id a line. Without it, rows are numbered from 0.")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Build an index from vectors in a file."""
    from lamina.cli.vectors import read_ids, read_vectors

    rows, own_metric = read_vectors(file)
    chosen = _metric(metric, own_metric)
    names = [str(row) for row in range(len(rows))] if ids is None else read_ids(ids, len(rows))
    given = _given(form=form, full=_full(out, on_disk), M=most, ef_construction=ef_construction, threads=threads, seed=seed)
    if kind == "spann":
        given["folder"] = _new_lists(out)
    collection = _made(kind, rows.shape[1], chosen, given)
    if on_disk or kind == "spann":
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with at_work(quiet) as (run, _):
        collection.add(names, rows, run=run)
    collection.save(out)
    _tell(collection, out)
    collection.close()


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The index file.", show_default=False)],
    out: Out,
    source: Annotated[
        str,
        typer.Option("--from", help="Whose file it is: hnswlib, faiss, usearch or hdf5 (of ann-benchmarks).", show_default=False),
    ],
    kind: Annotated[str, typer.Option("--kind", help="What is made of it: hnsw (a graph) or exact.")] = "hnsw",
    metric: Annotated[
        str | None, typer.Option("--metric", help="ip, cosine or l2. A file of hnswlib does not say it.", show_default=False)
    ] = None,
    relink: Annotated[
        bool, typer.Option("--relink", help="Make the links of the graph anew instead of keeping those of the file.")
    ] = False,
    form: Form = None,
    on_disk: OnDisk = False,
    threads: Threads = None,
    quiet: options.Quiet = False,
) -> None:
    """Take over an index of hnswlib, faiss or usearch: its vectors, its labels (as ids), and the links of its graph."""
    from lamina.index.collection import Collection
    from lamina.index.importing import read_index

    if kind not in ("hnsw", "exact"):
        raise InputError(f"an imported index becomes one of kind hnsw or exact, not {kind!r}")
    given = _given(form=form, full=_full(out, on_disk), threads=threads)
    if kind == "exact" and (given or relink):
        raise InputError("exact search has no links, form or threads: leave them out, or take kind hnsw")
    foreign = read_index(file, source, metric)
    if on_disk:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with at_work(quiet) as (run, _):
        index = foreign.flat() if kind == "exact" else foreign.hnsw(relink=relink, run=run, **given)
    collection = Collection(index, metric=foreign.metric, names=foreign.names())
    collection.save(out)
    if len(foreign) < len(foreign.vectors):
        note(f"{amount(len(foreign.vectors) - len(foreign), 'deleted vector')} left out")
    _tell(collection, out)


def search(
    folder: Folder,
    queries: Annotated[
        Path | None,
        typer.Argument(
            metavar="[QUERIES]", help="Vectors to look for: a .npy file, or the queries of an .hdf5 file.", show_default=False
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", metavar="ID", help="Look for what is near this id, instead of QUERIES. May be repeated."),
    ] = None,
    k: K = 10,
    ef: Ef = None,
    among: Annotated[Path | None, typer.Option("--among", help="A text file with an id a line: nothing else is found.")] = None,
    as_json: options.Json = False,
) -> None:
    """Find the nearest of vectors, or of ids that are in the index; a line for each query: ids and scores, best first.

    For the queries of an .hdf5 file of ann-benchmarks it also says which part of the true neighbours was found.
    """
    from lamina.cli.vectors import read_ids, read_queries

    if (queries is None) == (not like):
        raise InputError("say what to look for: either QUERIES, or --like with an id")
    with _opened(folder) as collection:
        allowed = None if among is None else collection.select(read_ids(among))
        given = _given(ef=ef)
        truth = None
        if queries is None:
            names = list(like or ())
            found = collection.near(names, k, among=allowed, **given)
        else:
            rows, truth = read_queries(queries)
            names = [str(row) for row in range(len(rows))]
            found = collection.search(rows, k, among=allowed, **given)
        if as_json:
            print_json(
                [
                    {"query": name, "found": [{"id": one.id, "score": one.score} for one in row]}
                    for name, row in zip(names, found, strict=True)
                ]
            )
        else:
            for name, row in zip(names, found, strict=True):
                say(f"{name}: " + "  ".join(f"{one.id} {one.score:.4f}" for one in row))
        if truth is not None and allowed is None:
            note(f"recall@{k}: {_recall(found, truth, k):.3f}")


def tune(
    folder: Folder,
    queries: Annotated[
        Path | None,
        typer.Argument(
            metavar="[QUERIES]",
            help="Queries like those to come: a .npy file, or an .hdf5 file. Without it vectors of the index stand for them, which is optimistic.",
            show_default=False,
        ),
    ] = None,
    k: K = 10,
    target: Annotated[
        float, typer.Option("--target", min=0.01, max=1.0, help="The part of the true nearest that is to be found.")
    ] = 0.97,
    keep: Annotated[bool, typer.Option("--keep", help="Let the index search with it from now on.")] = False,
    as_json: options.Json = False,
) -> None:
    """Find how far a search must look (ef of a graph, probes of lists on disk) to reach a recall on some queries."""
    from lamina.cli.vectors import read_queries

    with _opened(folder) as collection:
        setting = TUNED.get(collection.kind)
        if setting is None:
            raise InputError(f"an index of kind {collection.kind} has nothing to tune: {', '.join(TUNED)} have")
        from lamina.index.tuning import tune as find

        asked = None if queries is None else collection.queries(read_queries(queries)[0])
        if collection.kind == "spann":
            from lamina.index.spann.tuning import tune_lists

            tuned = tune_lists(collection.index, asked, k=k, target=target).tuned
        else:
            tuned = find(collection.index, asked, k=k, target=target, name=setting)
        if keep:
            setattr(collection.index, setting, tuned.ef)
            collection.save(folder)
        low, high = tuned.interval
        _show(
            {
                setting: tuned.ef, "recall": round(tuned.recall, 4), "interval": [round(low, 4), round(high, 4)], "target": target,
                "reached": tuned.reached, "queries": tuned.queries, "kept": keep,
            },
            as_json,
        )  # fmt: skip
        if not tuned.reached:
            note("the target was not reached: build with more links (M) or candidates (ef_construction)", "yellow")


def info(folder: Folder, as_json: options.Json = False) -> None:
    """Tell what an index is, how many vectors it has, and what it takes."""
    with _opened(folder) as collection:
        stats = {**collection.stats(), "on_disk": sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())}
        if not as_json:
            stats = {name: size(value) if name in ("bytes", "on_disk") else value for name, value in stats.items()}
        _show(stats, as_json)


def verify(folder: Folder, as_json: options.Json = False) -> None:
    """Look through an index for damage. Exit code 1 where there is some."""
    with _opened(folder) as collection:
        found = collection.verify()
    if as_json:
        print_json(found)
    elif found:
        for problem in found:
            say(problem, "yellow")
        note(f"'lamina index repair {folder}' mends it")
    else:
        say("nothing is wrong", "green")
    if found:
        raise typer.Exit(FINDINGS)


def repair(folder: Folder) -> None:
    """Mend what 'verify' finds, and write the index anew. Ids that have lost their vectors go, and are told."""
    with _opened(folder) as collection:
        before = collection.verify()
        gone = collection.repair()
        collection.save(folder)
        for id in gone:
            say(id)
        note(f"{amount(len(before), 'problem')} found, {amount(len(gone), 'id')} without a vector taken away")


def compact(folder: Folder) -> None:
    """Give back the room of deleted vectors."""
    with _opened(folder) as collection:
        before = collection.index.nbytes()
        collection.compact()
        collection.save(folder)
        say(f"{size(before)} before, {size(collection.index.nbytes())} now")


def estimate(
    count: Annotated[int, typer.Option("--count", min=1, help="How many vectors.", show_default=False)],
    dim: Annotated[int, typer.Option("--dim", min=1, help="Their dimensions.", show_default=False)],
    most: Annotated[int, typer.Option("--M", min=2, help="Links of a vector in a graph.")] = 16,
    as_json: options.Json = False,
) -> None:
    """Tell what memory an index would take, before it is built."""
    from lamina.index.hnsw import HNSW

    found = {"exact": count * (4 * dim + 1)}
    for form in ("float32", "float16", "int8"):
        found[f"hnsw {form}"] = HNSW.estimate(count, dim, M=most, form=form)
    found["hnsw int8, full rows on disk"] = HNSW.estimate(count, dim, M=most, form="int8", full=True)
    if not as_json:
        _show({name: size(value) for name, value in found.items()}, False)
        return
    print_json(found)


def _given(**values: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _full(out: Path, wanted: bool) -> Path | None:
    """Where full rows lie that are left on disk: in the folder of the index."""
    return out / "full" if wanted else None


def _new_lists(out: Path) -> Path:
    """A folder for lists on disk, in the folder of the index, that is not there yet."""
    number = 1
    while (out / f"lists-{number}").exists():
        number += 1
    return out / f"lists-{number}"


def _metric(asked: str | None, own: str | None) -> str:
    if own is not None and asked not in (None, own):
        raise InputError(f"the file is for the metric {own!r}, not {asked!r}")
    return asked or own or "ip"


def _made(kind: str, dim: int, metric: str, given: dict[str, Any]) -> Collection:
    """An empty collection; options that its kind does not have are refused by name."""
    from lamina.index.collection import Collection
    from lamina.index.kinds import make_index

    if kind in ("hnsw", "spann"):
        given = {**given, "metric": metric}
    return Collection(make_index(kind, dim, **given), metric=metric)


@contextmanager
def _opened(folder: Path) -> Iterator[Collection]:
    from lamina.index.collection import Collection

    collection = Collection.open(folder)
    try:
        yield collection
    finally:
        collection.close()


def _recall(found: list[list[Match]], truth: Any, k: int) -> float:
    """The part of the true k nearest (rows, which are ids where none were given) that was found."""
    hits = [
        len({one.id for one in row} & {str(number) for number in right[:k]})
        for row, right in zip(found, truth.tolist(), strict=True)
    ]
    return float(sum(hits) / (len(hits) * min(k, truth.shape[1])))


def _tell(collection: Collection, out: Path) -> None:
    say(
        f"{out}: {amount(len(collection), 'vector')} of {collection.dim} dimensions, {collection.kind}, {size(collection.index.nbytes())}"
    )


def _show(values: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(dict(values))
        return
    for line in fields_of(values):
        console().print(line)


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "build": build, "import": import_, "search": search, "tune": tune, "info": info, "verify": verify, "repair": repair, "compact": compact,
    "estimate": estimate,
}  # fmt: skip
