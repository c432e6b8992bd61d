"""A linear model and a forest, each explained as a fusion of ten signals; needs scikit-learn, which brings the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.recall.explain_warning import explain_warning
from lamina.recall.warning import read_warning

Rows = NDArray[np.float64]


def agreement() -> dict[str, tuple[float, float, bool]]:
    """For each model: how often the two signals named first are the two whose removal moves the probability most, how often two at random are, and
    whether a cause is named anywhere."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    data = load_breast_cancer()
    train, test, labels, _ = train_test_split(data.data, data.target, random_state=0)
    mean, sd = train.mean(0), train.std(0)
    train, test = (train - mean) / sd, (test - mean) / sd
    linear = LogisticRegression(max_iter=2000).fit(train, labels)
    forest = RandomForestClassifier(100, random_state=0).fit(train, labels)
    names = [str(name).removeprefix("mean ") for name in data.feature_names[:10]]
    return {
        "logistic regression": _compare(linear, test, test * linear.coef_[0], names, True),
        "random forest": _compare(forest, test, _along_paths(forest, test), names, False),
    }


def _along_paths(forest: Any, rows: Rows) -> Rows:
    """By how much each feature changes the mean of the nodes on each row's paths, averaged over the trees."""
    parts = np.zeros(rows.shape)
    for tree in forest.estimators_:
        inner = tree.tree_
        value = inner.value[:, 0, 1] / inner.value[:, 0].sum(1)
        for number, row in enumerate(rows):
            node = 0
            while inner.feature[node] >= 0:
                feature = inner.feature[node]
                below = inner.children_left[node] if row[feature] <= inner.threshold[node] else inner.children_right[node]
                parts[number, feature] += value[below] - value[node]
                node = below
    return parts / len(forest.estimators_)


def _compare(model: Any, rows: Rows, parts: Rows, names: list[str], causal: bool) -> tuple[float, float, bool]:
    rng = np.random.default_rng(0)
    agree = chance = 0
    because = False
    whole = model.predict_proba(rows)[:, 1]
    moved = np.zeros((len(rows), 10))
    for group in range(10):
        without = rows.copy()
        without[:, group::10] = 0.0  # the mean
        moved[:, group] = np.abs(model.predict_proba(without)[:, 1] - whole)
    for number in range(len(rows)):
        found = explain_warning(read_warning(_record(rows[number], parts[number], float(whole[number]), names, causal)))
        because |= "because" in found.unfold()
        first = {node.title for node in found.children[0].children[:2]}
        best = {names[place] for place in np.argsort(-moved[number])[:2]}
        agree += first == best
        chance += {names[place] for place in rng.choice(10, 2, replace=False)} == best
    return agree / len(rows), chance / len(rows), because


def _record(row: Rows, parts: Rows, probability: float, names: list[str], causal: bool) -> dict[str, Any]:
    statistics = ("mean", "error", "worst")
    return {
        "warning": {"id": "w", "target": "the sample", "attack_type": "benign", "window": ["2026-01-01", "2026-01-01"], "probability": probability,
                    "signals": names},
        "signals": [
            {"id": name, "probability": probability, "contribution": float(parts[n::10].sum()), "causal": causal, "sensors": [f"{name} {one}" for one in statistics],
             "model": {"family": "forest", "trained_on": "426 samples"}} for n, name in enumerate(names)
        ],
        "sensors": [{"id": f"{name} {one}", "kind": one, "readings": [f"{name} {one} value"], "baseline": {"mean": 0.0, "sd": 1.0}}
                    for name in names for one in statistics],
        "readings": [{"id": f"{name} {one} value", "name": f"{name} {one}", "value": float(row[n + 10 * m])}
                     for n, name in enumerate(names) for m, one in enumerate(statistics)],
    }  # fmt: skip
