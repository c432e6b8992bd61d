"""Other libraries beside ours, one small file each; those that are not installed (extra "peers") are left out.

All look at the same text of an item as our systems do, and those that need vectors get our static ones, so that what differs
is how they search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final, Protocol

from lamina.bench.peers.bm25s import Bm25s
from lamina.bench.peers.hnswlib import Hnswlib
from lamina.bench.peers.langgraph import LangGraph
from lamina.bench.peers.mem0 import Mem0
from lamina.bench.ranking.collections import System

__all__ = ["PEERS", "Peer", "installed", "is_installed", "versions"]


class Peer(System, Protocol):
    """Another library as a system: `distribution`, the package it comes in; `needs`, the modules that must be there."""

    @property
    def distribution(self) -> str:
        """The name of its package."""
        ...

    @property
    def needs(self) -> Sequence[str]:
        """Modules it is made of."""
        ...


PEERS: Final[Sequence[Peer]] = (Mem0(), LangGraph(), Bm25s(), Hnswlib())
"""All there are, in the order of their rows."""


def is_installed(peer: Peer) -> bool:
    """Whether everything a peer needs is there."""
    return all(_found(module) for module in peer.needs)


def installed(wanted: bool = True) -> list[Peer]:
    """The peers that can be measured here; none where they are not wanted."""
    return [peer for peer in PEERS if wanted and is_installed(peer)]


def versions(peers: Sequence[Peer]) -> Mapping[str, str]:
    """The version of each peer's package, by the peer's name."""
    return {peer.name: version(peer.distribution) for peer in peers}


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is not there
        return False
