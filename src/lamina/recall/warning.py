"""A warning as forecasters give it: what they fused into it, the signals, their sensors, and the readings of these.

Source: V. A. Kazakova 2023, SPLAIN: Augmenting Cybersecurity Warnings with Reasons and Data. Only its abstract could be read, so the form of the record
is an interpretation. Contributions are in the unit in which the fusion adds them (log-odds), without bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import InputError
from lamina.times import Moment, parse_moment

DIRECTIONS: Final = ("up", "down", "flat")


@dataclass(frozen=True, slots=True)
class Reading:
    """One number a sensor gave. `direction`: where it was going ("up", "down", "flat"), None where that is not known."""

    id: str
    name: str
    value: float
    unit: str | None = None
    time: Moment | None = None
    source: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Sensor:
    """What measures. `mean` and `sd` are of its readings in usual times, None where they are not known."""

    id: str
    name: str
    kind: str
    readings: tuple[Reading, ...]
    description: str | None = None
    mean: float | None = None
    sd: float | None = None

    def deviation(self, reading: Reading) -> float | None:
        """How far a reading is from the mean in standard deviations; None where no variation is known."""
        return None if self.mean is None or not self.sd else (reading.value - self.mean) / self.sd

    def unusual(self) -> float:
        """The largest deviation of its readings, without sign."""
        return max((abs(self.deviation(one) or 0.0) for one in self.readings), default=0.0)


@dataclass(frozen=True, slots=True)
class Model:
    """The general method behind a forecast: what kind of model, trained on what, of when, and how well it did."""

    family: str
    trained_on: str | None = None
    period: str | None = None
    metric: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """One forecaster's claim. `contribution`: its part of the fused log-odds. `causal`: whether what its sensors show is its cause;
    only then may a "because" be said."""

    id: str
    name: str
    probability: float
    contribution: float
    sensors: tuple[Sensor, ...]
    causal: bool = False
    model: Model | None = None


@dataclass(frozen=True, slots=True)
class ForecastWarning:
    """That something is to be expected: of what kind, where, in which stretch of time, and how likely, by which fusion of which signals."""

    id: str
    target: str
    kind: str
    start: Moment
    end: Moment
    probability: float
    signals: tuple[Signal, ...]
    fused_by: str | None = None


def read_warning(record: Mapping[str, Any]) -> ForecastWarning:
    """Read a warning from JSON values: {"warning": {…, "window": [from, to], "signals": [ids]}, "signals": [{…, "sensors": [ids]}],
    "sensors": [{…, "readings": [ids], "baseline": {"mean", "sd"}}], "readings": [{…}]}.

    Raises `InputError` for what is missing or no number, a probability outside [0, 1], a window that ends before it begins, an id that is
    not there, is there twice or names something else, a reading of two sensors, and a signal with neither sensors nor a model.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("warning"), Mapping):
        raise InputError('a warning is a mapping with the fields "warning", "signals", "sensors" and "readings"')
    rows = _Rows(record)
    readings = {id: _reading(id, row) for id, row in rows.of("readings").items()}
    sensors = {id: _sensor(id, row, rows.named(id, row, "readings"), readings) for id, row in rows.of("sensors").items()}
    owners: dict[str, str] = {}
    for sensor in sensors.values():
        for reading in sensor.readings:
            if owners.setdefault(reading.id, sensor.id) != sensor.id:
                raise InputError(
                    f"the reading {reading.id!r} belongs to two sensors, {owners[reading.id]!r} and {sensor.id!r}: give each its own"
                )
    signals = {id: _signal(id, row, rows.named(id, row, "sensors"), sensors) for id, row in rows.of("signals").items()}
    row = record["warning"]
    id = _text(row, "id", "the warning")
    window = row.get("window")
    if not isinstance(window, Sequence) or isinstance(window, str) or len(window) != 2:
        raise InputError(f"the window of {id!r} must be a pair of times, not {window!r}")
    start, end = (parse_moment(time) for time in window)
    if end.at < start.at:
        raise InputError(f"the window of {id!r} ends ({window[1]}) before it begins ({window[0]})")
    named = rows.named(id, row, "signals")
    if not named:
        raise InputError(f"the warning {id!r} names no signals: there is nothing to explain it by")
    return ForecastWarning(
        id, _text(row, "target", id), _text(row, "attack_type", id), start, end, _probability(row, id),
        tuple(signals[one] for one in named), _maybe(row, "fused_by", id),
    )  # fmt: skip


class _Rows:
    """The rows of a record by id, each id once."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._kinds: dict[str, str] = {}
        for kind in ("readings", "sensors", "signals"):
            rows = record.get(kind, [])
            if not isinstance(rows, Sequence) or isinstance(rows, str) or not all(isinstance(row, Mapping) for row in rows):
                raise InputError(f"{kind} must be a list of mappings, not {rows!r}")
            self._rows[kind] = {}
            for row in rows:
                id = _text(row, "id", f"one of the {kind}")
                if id in self._kinds:
                    raise InputError(f"the id {id!r} is there twice: every signal, sensor and reading needs its own")
                self._kinds[id] = kind
                self._rows[kind][id] = row

    def of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        return self._rows[kind]

    def named(self, id: str, row: Mapping[str, Any], kind: str) -> list[str]:
        """The ids of one kind that a row names, in order."""
        ids = row.get(kind, [])
        if not isinstance(ids, Sequence) or isinstance(ids, str):
            raise InputError(f"the {kind} of {id!r} must be a list of ids, not {ids!r}")
        for one in ids:
            if self._kinds.get(str(one)) != kind:
                found = "which is not there" if str(one) not in self._kinds else f"which is among the {self._kinds[str(one)]}"
                raise InputError(f"{id!r} names {one!r} among its {kind}, {found}")
        return list(dict.fromkeys(str(one) for one in ids))


def _reading(id: str, row: Mapping[str, Any]) -> Reading:
    direction = _maybe(row, "direction", id)
    if direction is not None and direction not in DIRECTIONS:
        raise InputError(f"the direction of {id!r} must be one of {', '.join(DIRECTIONS)}, not {direction!r}")
    time = row.get("time")
    return Reading(
        id, _text(row, "name", id), _number(row, "value", id), _maybe(row, "unit", id), None if time is None else parse_moment(time),
        _maybe(row, "source", id), direction,
    )  # fmt: skip


def _sensor(id: str, row: Mapping[str, Any], named: Sequence[str], readings: Mapping[str, Reading]) -> Sensor:
    baseline = row.get("baseline") or {}
    if not isinstance(baseline, Mapping):
        raise InputError(f"the baseline of {id!r} must be a mapping with mean and sd, not {baseline!r}")
    mean = _number(baseline, "mean", id) if "mean" in baseline else None
    sd = _number(baseline, "sd", id) if "sd" in baseline else None
    if sd is not None and sd < 0:
        raise InputError(f"the standard deviation of {id!r} must be at least 0, not {sd!r}")
    given = tuple(readings[one] for one in named)
    return Sensor(id, _maybe(row, "name", id) or id, _text(row, "kind", id), given, _maybe(row, "description", id), mean, sd)


def _signal(id: str, row: Mapping[str, Any], named: Sequence[str], sensors: Mapping[str, Sensor]) -> Signal:
    described = row.get("model")
    if described is not None and not isinstance(described, Mapping):
        raise InputError(f"the model of {id!r} must be a mapping, not {described!r}")
    if described is None and not named:
        raise InputError(f"the signal {id!r} has neither sensors nor a model: nothing can be said of why")
    causal = row.get("causal", False)
    if not isinstance(causal, bool):
        raise InputError(f"causal of {id!r} must be true or false, not {causal!r}")
    model = None
    if described is not None:
        value = _number(described, "value", id) if described.get("value") is not None else None
        trained_on, period, metric = (_maybe(described, name, id) for name in ("trained_on", "period", "metric"))
        model = Model(_text(described, "family", id), trained_on, period, metric, value)
    used = tuple(sensors[one] for one in named)
    return Signal(
        id, _maybe(row, "forecaster", id) or id, _probability(row, id), _number(row, "contribution", id), used, causal, model
    )


def _text(row: Mapping[str, Any], name: str, whose: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} of {whose!r} must be text, not {value!r}")
    return value


def _maybe(row: Mapping[str, Any], name: str, whose: str) -> str | None:
    return None if row.get(name) is None else _text(row, name, whose)


def _number(row: Mapping[str, Any], name: str, whose: str) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name} of {whose!r} must be a finite number, not {value!r}")
    return float(value)


def _probability(row: Mapping[str, Any], whose: str) -> float:
    value = _number(row, "probability", whose)
    if not 0 <= value <= 1:
        raise InputError(f"the probability of {whose!r} must lie in [0, 1], not {value!r}")
    return value
