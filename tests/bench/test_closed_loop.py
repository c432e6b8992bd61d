"""The benchmark of the closed loop: its form, its seeds, and the effects it shows, on few tasks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.closed_loop import CHECKS
from lamina.bench.closed_loop.trials import LENGTHS, Setting, System, Trial, goal_of, trial
from lamina.bench.plots import plot
from lamina.errors import InputError
from tests.bench.test_harness import check_form


@pytest.fixture(scope="module")
def result() -> Result:
    return run_benchmark("closed-loop", seeds=2)


def test_its_rows_have_the_common_form(result):
    check_form(result.as_json())
    assert {row.system.split(",")[0].split("=")[0] for row in result.rows} >= {
        "closed",
        "open",
        "critic",
        "random critic",
        "whole belief",
        "τ",
        "belief",
    }


def test_the_thresholds_are_drawn(result, tmp_path):
    pytest.importorskip("matplotlib")
    path = plot(result, tmp_path / "rows.json")
    assert path is not None
    assert path.stat().st_size > 10_000


def trials(system: System, setting: Setting, seeds: int = 30) -> list[Trial]:
    return [trial(system, setting, seed) for seed in range(seeds)]


def test_closed_beats_open_where_things_happen_and_costs_nothing_where_nothing_does():
    closed, opened = (trials(System(loop), Setting(0.1, "task")) for loop in ("closed", "open"))
    assert sum(one.success for one in closed) >= 0.85 * 30
    assert sum(one.success for one in opened) <= 0.5 * 30
    assert all(LENGTHS[0] <= one.report.steps <= LENGTHS[1] for one in opened)
    quiet, blind = (trials(System(loop), Setting(0.0)) for loop in ("closed", "open"))
    assert all(one.success for one in (*quiet, *blind))
    assert sum(one.report.steps for one in quiet) <= 1.1 * sum(one.report.steps for one in blind)


def test_without_a_map_containers_are_opened_again():
    setting = Setting(0.0, search=True, limit=30)
    whole, blind = (trials(System(spatial=spatial), setting, 10) for spatial in (True, False))
    assert sum(one.repeated for one in whole) == 0
    assert sum(one.repeated for one in blind) >= 10
    assert sum(one.success for one in whole) > sum(one.success for one in blind)


def test_the_critic_spares_invalid_calls():
    found = [
        [trial(system, Setting(0.2), seed) for seed in range(20)] for system in (System(), System(critic="none", watch=False))
    ]
    with_critic, without = (sum(one.report.invalid for one in some) for some in found)
    assert with_critic < without / 5
    assert sum(sum(one.judged.values()) for one in found[0]) > 100


def test_the_rolling_belief_keeps_old_facts_within_its_cap(result):
    rolling, code = (result.row(f"belief, {name}").metrics for name in ("rolling", "code"))
    assert max(rolling["tokens_most"], code["tokens_most"]) <= 600
    assert rolling["old_facts_in_text"] == 1
    assert code["old_facts_believed"] == 0


def test_a_seed_gives_the_same_trial():
    assert goal_of(3, False) == goal_of.__wrapped__(3, False)
    one, other = (trial(System(), Setting(0.2), 3).report for _ in range(2))
    assert one.calls == other.calls


@pytest.mark.parametrize(
    ("wrong", "told"), [({"seeds": 1}, "seeds"), ({"seeds": 2.5}, "seeds"), ({"checks": ["speed"]}, "no check")]
)
def test_wrong_settings_are_refused(wrong, told):
    with pytest.raises(InputError, match=told):
        run_benchmark("closed-loop", **wrong)
    assert len(CHECKS) == 5


def test_a_trial_does_not_depend_on_the_order_of_hashes():
    code = (
        "from lamina.bench.closed_loop.trials import *\n"
        "for seed in range(8):\n"
        "    found = trial(System(), Setting(0.3, 'task'), seed).report\n"
        "    print([one.call for one in found.calls], [event.reason for event in found.events])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": order}, check=True, capture_output=True
        ).stdout
        for order in ("1", "2")
    ]
    assert told[0] == told[1] != b""
