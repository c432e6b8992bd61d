"""Simulated warnings: attacks of ten kinds, signals whose contributions add up to the fused log-odds, sensors that may be shared, readings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.recall.explain_warning import ADVICE

KINDS = tuple(ADVICE)
SENSORS = ("log counter", "search trend", "social media", "honeypot", "vulnerability feed")


def made(seed: int, planted: bool = False) -> tuple[dict[str, Any], str]:
    """A record, and the id of the reading that drives it.

    Each signal's contribution is the sum of its readings' deviations (times 0.2) and some noise; with `planted`, one reading is far off.
    """
    rng = np.random.default_rng(seed)
    signals: list[dict[str, Any]] = []
    sensors: list[dict[str, Any]] = []
    readings: list[dict[str, Any]] = []
    parts: list[float] = []
    for n in range(int(rng.integers(3, 9))):
        own = []
        moved = 0.0
        for _ in range(int(rng.integers(1, 6))):
            if len(sensors) > 2 and rng.random() < 0.15:
                shared = sensors[int(rng.integers(len(sensors)))]
                if shared["id"] not in own:
                    own.append(shared["id"])
                continue
            sensor, more = _sensor(rng, len(sensors), len(readings))
            sensors.append(sensor)
            readings += more
            own.append(sensor["id"])
        signals.append({"id": f"s{n}", "forecaster": f"forecaster {n}", "sensors": own})
    driver = str(readings[int(rng.integers(len(readings)))]["id"])
    by_id = {one["id"]: one for one in readings}
    if planted:
        owner = next(one for one in sensors if driver in one["readings"])
        owner["baseline"] = {"mean": 100.0, "sd": 10.0}
        by_id[driver]["value"] = 100.0 + 10.0 * 9.0
    by_sensor = {one["id"]: one for one in sensors}
    for signal in signals:
        moved = sum(_z(by_sensor[id], by_id[one]) for id in signal["sensors"] for one in by_sensor[id]["readings"])
        parts.append(round(0.2 * moved + 0.1 * float(rng.normal()), 4))
        signal |= {"contribution": parts[-1], "probability": round(_odds(parts[-1]), 4), "causal": bool(rng.random() < 0.5)}
        if rng.random() < 0.7:
            signal["model"] = {
                "family": "random forest",
                "trained_on": f"set {seed % 7}",
                "period": "2024",
                "metric": "accuracy",
                "value": 0.91,
            }
            if rng.random() < 0.5:
                del signal["model"]["metric"]
    warning = {
        "id": f"w{seed}", "target": f"host {seed % 50}", "attack_type": KINDS[seed % len(KINDS)], "window": ["2026-05-03", f"2026-05-{3 + seed % 5:02d}"],
        "probability": round(_odds(-0.5 + sum(parts)), 5), "fused_by": "sum of log-odds", "signals": [one["id"] for one in signals],
    }  # fmt: skip
    return {"warning": warning, "signals": signals, "sensors": sensors, "readings": readings}, driver


def _sensor(rng: np.random.Generator, number: int, first: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    readings = []
    for n in range(int(rng.integers(1, 7))):
        one: dict[str, Any] = {"id": f"r{first + n}", "name": f"count {first + n}", "value": round(float(rng.normal(100, 10)), 2)}
        if rng.random() < 0.7:
            one |= {"unit": "an hour", "time": f"2026-05-{1 + n:02d}", "source": f"log {number}"}
        if rng.random() < 0.7:
            one["direction"] = ("up", "down", "flat")[int(rng.integers(3))]
        readings.append(one)
    sensor: dict[str, Any] = {
        "id": f"n{number}",
        "name": f"sensor {number}",
        "kind": SENSORS[number % 5],
        "readings": [one["id"] for one in readings],
    }
    draw = rng.random()
    if draw < 0.8:
        sensor["baseline"] = {"mean": 100.0, "sd": 10.0}
    elif draw < 0.9:
        sensor["baseline"] = {"mean": 100.0, "sd": 0.0}
    if rng.random() < 0.5:
        sensor["description"] = f"what passes gate {number}"
    return sensor, readings


def _z(sensor: dict[str, Any], reading: dict[str, Any]) -> float:
    baseline = sensor.get("baseline")
    return (reading["value"] - baseline["mean"]) / baseline["sd"] if baseline and baseline["sd"] else 0.0


def _odds(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
