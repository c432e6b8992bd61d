"""Why a warning was given: a sentence to act on, which unfolds into reasons, signals, sensors and the readings themselves.

Source: V. A. Kazakova 2023, SPLAIN: Augmenting Cybersecurity Warnings with Reasons and Data. Only its abstract could be read; templates and advice are
an interpretation. What speaks against a warning is never left out, and where no cause can be named the general method is told instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from lamina.recall.evidence import listed
from lamina.recall.explain import CUT, NAMED, Explanation, percent
from lamina.recall.templates import Template, deviation, first_that_fits, likelihood, plural
from lamina.recall.warning import ForecastWarning, Reading, Sensor, Signal
from lamina.times import Moment, isoformat

ADVICE: Final[Mapping[str, str]] = {
    "phishing": "look at the newest mails from outside and at logins that followed them",
    "ransomware": "see that backups are apart and newest, and look for files that change in numbers",
    "malware": "look at new programs and at what they connect to",
    "denial of service": "look at the load of the gateways and at the limits of requests",
    "credential stuffing": "look at failed logins by address, and ask for a second factor",
    "data theft": "look at what leaves the network in quantity",
    "insider": "look at rights that were given lately and at unusual hours of access",
    "supply chain": "look at what was updated lately, and compare signatures",
    "web exploit": "look at the log of the web server for the newest known holes, and patch them",
    "scanning": "look at which ports answer to the outside",
}
"""What to look at first, by kind of attack."""
GENERIC: Final = "look at the readings below, the strongest signal first"
_WHAT: Final = ("kind", "target", "word", "percent", "window", "advice")
HEADLINE: Final = (Template("An attack of the kind “{kind}” on {target} is {word} ({percent}) {window}: {advice}.", _WHAT),)
REASONS: Final = (
    Template("{favour}; {against}[; {neutral}]; the strongest: {strongest}[; together they make it {fusion} likely than each of them does][; fused by {rule}].",
             ("favour", "against", "neutral", "strongest", "fusion", "rule")),
)  # fmt: skip
_CLAIM: Final = "{name} gives it {percent} and {weight}"
_SIGNAL: Final = ("name", "percent", "weight", "sensor", "change", "family", "data", "period", "metric", "value")
SIGNAL: Final = (
    Template(_CLAIM + ", because of {sensor}: {change}.", _SIGNAL),
    Template(
        _CLAIM + "; no single cause can be named: it comes from a model of the kind {family}[, trained on {data}][, of {period}]"
        "[, which reached {metric} {value}].", _SIGNAL,
    ),
    Template(_CLAIM + "; no single cause can be named, and how its model was made is not available.", _SIGNAL),
)  # fmt: skip
_SENSOR: Final = ("name", "kind", "description", "count", "reading", "change")
SENSOR: Final = (
    Template("{name} ({kind})[, which measures {description},] gave {count}; the most unusual: {reading}, {change}.", _SENSOR),
    Template("{name} ({kind})[, which measures {description},] gave {count}.", _SENSOR),
)
VERBS: Final = {"up": "rose to", "down": "fell to", "flat": "stayed at", None: "was"}
_READING: Final = ("name", "value", "unit", "time", "source", "change")
READING: Final = {
    direction: Template("{name}[ (from {source})] " + verb + " {value}[ {unit}], {change}[, on {time}].", _READING)
    for direction, verb in VERBS.items()
}


def explain_warning(warning: ForecastWarning) -> Explanation:
    """The explanation of a warning: level 0 what is to be expected and what to do, 1 its reasons, 2 signals, 3 sensors, 4 readings.

    A sensor that several signals use is one node, said once. Signals come by how far the probability would move without them, sensors
    and readings by how unusual they are.
    """
    signals = sorted(warning.signals, key=lambda one: (-_moves(warning, one), -abs(one.contribution), one.id))
    size = math.fsum(abs(one.contribution) for one in signals)
    headline = {
        "kind": warning.kind, "target": warning.target, "word": likelihood(warning.probability), "percent": percent(warning.probability),
        "window": _window(warning.start, warning.end), "advice": ADVICE.get(warning.kind.lower(), GENERIC),
    }  # fmt: skip
    total = math.fsum(one.contribution for one in signals)
    reasons = Explanation(
        f"reasons/{warning.id}", 1, first_that_fits(REASONS, _reasons(warning, signals, size)), total, None,
        tuple(_signal(one, size) for one in signals), (warning.id,),
    )  # fmt: skip
    return Explanation("", 0, first_that_fits(HEADLINE, headline), None, None, (reasons,), (warning.id,), warning.id)


def _moves(warning: ForecastWarning, signal: Signal) -> float:
    """How far the fused probability would move if a signal's part of the log-odds were taken away; 0 where it is certain anyway."""
    p = warning.probability
    if not 0 < p < 1:
        return 0.0
    without = math.log(p) - math.log1p(-p) - signal.contribution
    left = 1 / (1 + math.exp(-without)) if without > -700 else 0.0
    return abs(p - left)


def _reasons(warning: ForecastWarning, signals: Sequence[Signal], size: float) -> dict[str, str | None]:
    favour = [one for one in signals if one.contribution > 0]
    against = [one for one in signals if one.contribution < 0]
    neutral = len(signals) - len(favour) - len(against)
    named = [one for one in signals if size and abs(one.contribution) / size >= CUT] or list(signals[:1])
    highest, lowest = max(one.probability for one in signals), min(one.probability for one in signals)
    fusion = None
    if warning.probability > highest:
        fusion = "more"
    elif warning.probability < lowest:
        fusion = "less"
    return {
        "favour": f"{plural(len(favour), 'signal')} {'speaks' if len(favour) == 1 else 'speak'} for it",
        "against": f"{len(against) or 'none'} against it",
        "neutral": f"{neutral} neither for nor against it" if neutral else None,
        "strongest": listed([one.name for one in named], NAMED), "fusion": fusion, "rule": warning.fused_by,
    }  # fmt: skip


def _signal(signal: Signal, size: float) -> Explanation:
    sensors = sorted(signal.sensors, key=lambda one: (-one.unusual(), one.id))
    shown = next((one for one in sensors if one.readings), None) if signal.causal else None
    reading = _readings(shown)[0] if shown is not None else None
    part = signal.contribution
    weight = f"{'raises' if part > 0 else 'lowers'} the probability ({part:+.2f})" if part else "leaves the probability as it is"
    model = signal.model
    measured = model is not None and model.metric is not None and model.value is not None
    values = {
        "name": signal.name, "percent": percent(signal.probability), "weight": weight,
        "sensor": shown.name if shown is not None else None,
        "change": f"{_what(reading)}, {_change(shown, reading)}" if shown is not None and reading is not None else None,
        "family": model.family if model is not None else None, "data": model.trained_on if model is not None else None,
        "period": model.period if model is not None else None,
        "metric": model.metric if model is not None and measured else None,
        "value": f"{model.value:.3g}" if model is not None and measured else None,
    }  # fmt: skip
    share = abs(part) / size if size else 0.0
    children = tuple(_sensor(one) for one in sensors)
    return Explanation(
        f"signal/{signal.id}", 2, first_that_fits(SIGNAL, values), part, share, children, (signal.id,), signal.name
    )


def _sensor(sensor: Sensor) -> Explanation:
    readings = _readings(sensor)
    values: dict[str, str | None] = {
        "name": sensor.name, "kind": sensor.kind, "description": sensor.description, "count": plural(len(readings), "reading"),
        "reading": readings[0].name if len(readings) > 1 else None,
        "change": _change(sensor, readings[0]) if len(readings) > 1 else None,
    }  # fmt: skip
    children = tuple(_leaf(sensor, one) for one in readings)
    return Explanation(f"sensor/{sensor.id}", 3, first_that_fits(SENSOR, values), None, None, children, (sensor.id,), sensor.name)


def _leaf(sensor: Sensor, reading: Reading) -> Explanation:
    values = {
        "name": reading.name, "value": _value(reading.value), "unit": reading.unit, "time": None if reading.time is None else _day(reading.time),
        "source": reading.source, "change": _change(sensor, reading),
    }  # fmt: skip
    return Explanation(
        f"reading/{reading.id}",
        4,
        first_that_fits([READING[reading.direction]], values),
        None,
        None,
        (),
        (reading.id,),
        reading.name,
    )


def _readings(sensor: Sensor) -> list[Reading]:
    """The readings of a sensor, the most unusual first."""
    return sorted(sensor.readings, key=lambda one: (-abs(sensor.deviation(one) or 0.0), one.id))


def _what(reading: Reading) -> str:
    return f"{reading.name} {VERBS[reading.direction]} {_value(reading.value)}{f' {reading.unit}' if reading.unit else ''}"


def _change(sensor: Sensor, reading: Reading) -> str:
    """How a reading stands to what is usual."""
    away = sensor.deviation(reading)
    if away is not None:
        return f"{deviation(away)} ({round(away, 1) + 0.0:+.1f} standard deviations from {_value(sensor.mean or 0.0)})"
    if sensor.mean is None:
        return "and what is usual is not known"
    return f"where {_value(sensor.mean)} is usual and no variation is known"


def _window(start: Moment, end: Moment) -> str:
    first, last = _day(start), _day(end)
    return f"on {first}" if first == last else f"between {first} and {last}"


def _day(moment: Moment) -> str:
    return isoformat(moment.at, moment.offset)[:10]


def _value(number: float) -> str:
    return f"{number:.6g}"
