"""Balanced k-means of a few thousand rows.

Source: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021, and its published code: large clusters
are made dearer by what their size was in the round before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.intrinsics import inner_product
from lamina.index.kernels.jit import compiled


@compiled
def lengths(rows: Any, out: Any) -> None:
    """Squared lengths of rows."""
    base, stride, width = rows.ctypes.data, rows.shape[1] * rows.itemsize, rows.shape[1]
    for i in range(rows.shape[0]):
        out[i] = inner_product(rows, base + i * stride, base + i * stride, width)


@compiled
def assign(rows: Any, norms: Any, centres: Any, centre_norms: Any, burden: Any, labels: Any, near: Any) -> float:
    """For each row the centre with the smallest squared distance plus `burden` (centres,); returns the sum of the distances."""
    base, at_centres = rows.ctypes.data, centres.ctypes.data
    width = rows.shape[1]
    stride = width * rows.itemsize
    total = 0.0
    for i in range(rows.shape[0]):
        best, label, distance = np.float32(np.inf), 0, np.float32(0)
        for c in range(centres.shape[0]):
            product = inner_product(rows, base + i * stride, at_centres + c * stride, width)
            d = max(norms[i] + centre_norms[c] - 2 * product, np.float32(0))
            if d + burden[c] < best:
                best, label, distance = d + burden[c], c, d
        labels[i] = label
        near[i] = distance
        total += distance
    return total


@compiled
def means(
    rows: Any, norms: Any, size: int, factor: float, tries: int, rounds: int, patience: int, seed: int, centres: Any
) -> None:
    """Balanced k-means, each round over `size` of the rows, drawn anew; `centres` (k, width) is written.

    `factor` is divided by: the larger, the less a large cluster is made dearer. Begins with the best of `tries` random choices; ends after
    `rounds`, or `patience` of them without a smaller sum of distances, or when the centres hardly move.
    """
    np.random.seed(seed)
    n, width, k = rows.shape[0], rows.shape[1], centres.shape[0]
    size = min(size, n)
    order = np.arange(n)
    part, part_norms = np.empty((size, width), np.float32), np.empty(size, np.float32)
    labels, near = np.empty(size, np.int32), np.empty(size, np.float32)
    trial, centre_norms, burden = np.empty((k, width), np.float32), np.empty(k, np.float32), np.zeros(k, np.float32)
    counts = np.zeros(k, np.int64)
    least = np.inf
    scale = np.float32(0)
    for attempt in range(tries + rounds):
        if size < n or attempt == 0:
            for i in range(size):
                j = i + np.random.randint(n - i)
                order[i], order[j] = order[j], order[i]
            for i in range(size):
                part[i] = rows[order[i]]
                part_norms[i] = norms[order[i]]
        if attempt < tries:
            for c in range(k):
                j = c + np.random.randint(size - c)
                for t in range(width):
                    trial[c, t] = part[j, t]
                    part[j, t] = part[c, t]
                    part[c, t] = trial[c, t]
                part_norms[c], part_norms[j] = part_norms[j], part_norms[c]
            source = trial
        else:
            source = centres
        lengths(source, centre_norms)
        if attempt < tries:
            burden[:] = 0
        total = assign(part, part_norms, source, centre_norms, burden, labels, near)
        counts[:] = 0
        for i in range(size):
            counts[labels[i]] += 1
        if attempt < tries:
            if total < least:
                least = total
                centres[:] = trial
                largest = np.argmax(counts)
                widest, mean = np.float32(0), np.float32(0)
                for i in range(size):
                    if labels[i] == largest:
                        widest = max(widest, near[i])
                        mean += near[i]
                mean /= max(counts[largest], 1)
                scale = min(max(widest - mean, np.float32(0)) / np.float32(size), np.float32(1 / (factor * size)))
            if attempt == tries - 1:
                least, worse = np.inf, 0
            continue
        worse = 0 if total < least else worse + 1
        least = min(least, total)
        moved = renew(part, labels, near, counts, centres)
        for c in range(k):
            burden[c] = scale * counts[c]
        if worse >= patience or moved < 1e-3:
            break


@compiled
def renew(rows: Any, labels: Any, near: Any, counts: Any, centres: Any) -> float:
    """Put each centre at the mean of its rows, an empty one at the row of the largest cluster that is farthest out; returns how far they moved."""
    k, width = centres.shape
    sums = np.zeros((k, width), np.float32)
    largest = np.argmax(counts)
    far = -1
    for i in range(rows.shape[0]):
        label = labels[i]
        for t in range(width):
            sums[label, t] += rows[i, t]
        if label == largest and (far < 0 or near[i] > near[far]):
            far = i
    moved = 0.0
    for c in range(k):
        step = 0.0
        for t in range(width):
            new = sums[c, t] / counts[c] if counts[c] else rows[far, t]
            step += (new - centres[c, t]) ** 2
            centres[c, t] = new
        if not counts[c]:
            near[far] = np.float32(-1)
        moved += step
    return moved


@compiled
def walk(centre: Any, size: Any, first: Any, children: Any, select: int, split: int, part: int, heads: Any) -> int:
    """Choose points that stand for the clusters of a tree (children after their parents); returns how many were put into `heads`.

    A cluster with at least `select` points that are not covered from below gives its centre; one with more than `split` also the centres of its
    largest children, one for each `part` points.
    """
    left = np.zeros(size.shape[0], np.int64)
    taken = np.zeros(size.shape[0], np.bool_)
    chosen = 0
    for node in range(size.shape[0] - 1, -1, -1):
        uncovered = size[node]
        if children[node]:
            uncovered = 1
            for child in range(first[node], first[node] + children[node]):
                uncovered += left[child]
        if uncovered < select and node:
            left[node] = uncovered
            continue
        heads[chosen] = centre[node]
        chosen += 1
        if uncovered > split and children[node]:
            for _ in range(min((uncovered + part - 1) // part, children[node])):
                largest = -1
                for child in range(first[node], first[node] + children[node]):
                    if not taken[child] and (largest < 0 or size[child] > size[largest]):
                        largest = child
                taken[largest] = True
                heads[chosen] = centre[largest]
                chosen += 1
    return chosen
