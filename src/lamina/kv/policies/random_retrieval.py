"""The first tokens, the newest ones, and blocks of the past drawn by lot: the control of whatever retrieves by meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.kv.attending import attention, attention_mass
from lamina.kv.online_softmax import OnlineSoftmax
from lamina.kv.policies.full import FullCache
from lamina.kv.policies.sliding_window import POSITIONS
from lamina.kv.policy import CachePolicy
from lamina.kv.positions import turn, unturn
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor


@dataclass(frozen=True)
class RandomRetrieval(CachePolicy):
    """Each token sees the first `sinks` tokens, the newest `window` (itself included), and `retrieved` tokens of what lies
    between, drawn anew for each layer and block of input, in runs of `run` tokens. Everything stays in memory.

    `positions`: "own", where they were read; "window": whatever has left the window stands as far away as the window is long,
    as in EM-LLM, and a text may go on for ever. `seed`: of the draws, which depend on the layer and on where a block begins.
    `quantised`: whether keys and values are held in 8 bits.

    It is the control of a policy that retrieves: what does as well as this at an equal budget has not found anything. The
    defaults are EM-LLM's for a small model.
    """

    sinks: int = 16
    window: int = 512
    retrieved: int = 256
    run: int = 32
    positions: Literal["window", "own"] = "window"
    seed: int = 0
    quantised: bool = False
    block: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sinks < 0 or self.window < 1 or self.retrieved < 0 or self.run < 1 or self.seed < 0:
            raise InputError(
                "sinks, retrieved and seed must be 0 or more, window and run 1 or more, "
                f"not {self.sinks}, {self.retrieved}, {self.seed}, {self.window} and {self.run}"
            )
        if self.positions not in POSITIONS:
            raise InputError(f"positions must be one of {', '.join(POSITIONS)}, not {self.positions!r}")

    @property
    def beyond_context(self) -> bool:
        """See `CachePolicy`."""
        return self.positions == "window"

    def begin(self, shape: ModelShape) -> RandomRetrievalCache:
        """See `CachePolicy`."""
        if self.window > shape.context and self.beyond_context:
            raise InputError(f"a window of {self.window} is more than the {shape.context} tokens of the model: take fewer")
        return RandomRetrievalCache(self, shape)


class RandomRetrievalCache(FullCache):
    """All keys and values; what a block sees of them is drawn."""

    def __init__(self, policy: RandomRetrieval, shape: ModelShape) -> None:
        super().__init__(policy, shape, policy.quantised)
        self._how = policy
        self._saw = np.zeros(shape.layers)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        how, rows, n, scaling = self._how, self._rows[layer], q.shape[2], self.shape.scaling
        rows.append(k, v)
        now = torch.arange(start, start + n)[:, None]
        near = torch.arange(max(0, start + 1 - how.window), start + n)  # in the window of any token of the block
        far = self._far(layer, start, n)
        by_window = (near <= now) & (near > now - how.window)
        by_lot = far <= now - how.window
        self._saw[layer] = float(by_window[-1].sum() + by_lot[-1].sum())
        device = q.device
        (near_k, near_v), by_window = rows.at(near.to(device)), by_window.to(device)
        if not len(far):
            return attention(q, near_k, near_v, scaling, mask=by_window)
        (far_k, far_v), by_lot = rows.at(far.to(device)), by_lot.to(device)
        moved = q
        if how.positions == "window":
            moved = turn(q, how.window - start if n == 1 else how.window - now[:, 0], self.shape.frequencies)
            far_k = unturn(far_k, far, self.shape.frequencies)
        state = OnlineSoftmax.of(*attention_mass(moved, far_k, far_v, scaling, by_lot))
        return state.merge(OnlineSoftmax.of(*attention_mass(q, near_k, near_v, scaling, by_window))).normalise().to(q.dtype)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        return self._saw.copy()

    def _far(self, layer: int, start: int, n: int) -> Tensor:
        """The positions, in order, of the sinks and of what was drawn, as far as some token of the block has them behind its
        window.
        """
        how = self._how
        left = max(0, start + n - how.window)  # tokens that the last one of the block has behind its window
        sinks = torch.arange(min(how.sinks, left))
        between = torch.arange(how.sinks, max(how.sinks, left))
        if len(between) > how.retrieved:
            runs = -(-len(between) // how.run)
            drawn = np.random.default_rng([how.seed, layer, start]).permutation(runs)
            chosen = torch.isin(torch.arange(len(between)) // how.run, torch.from_numpy(drawn[: how.retrieved // how.run].copy()))
            between = between[chosen]
        return torch.cat((sinks, between))

    def _forked(self) -> None:
        super()._forked()
        self._saw = self._saw.copy()

    def _state(self) -> dict[str, Any]:
        return {"saw": self._saw.tolist()}

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        super()._restore(arrays, state)
        self._saw = np.array(state["saw"], np.float64)
