"""The benchmark of working memories, small: the fetch world alone, which needs no data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lamina.agents.environments.fetch import FetchMap
from lamina.agents.environments.generators import barman, tyreworld
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.memories import MEMORIES
from lamina.bench import run_benchmark
from lamina.bench.working import LIMITS, ROOMY, history_tokens, play, speed_row
from lamina.bench.working_fetch import _moved, trial_rows, window_rows
from lamina.bench.working_tasks import FILES, _task, fetch_task, tasks_of
from lamina.errors import InputError
from tests.bench.test_harness import check_form


def test_the_fetch_world_at_a_tight_and_a_loose_limit() -> None:
    result = run_benchmark("working", domains=["fetch"], maps=6, limits=[0.25, 1.0], memories=["full", "window", "hiagent"])
    check_form(result.as_json())
    ours, full, window = (result.row(name).metrics for name in ("hiagent", "full", "window"))
    tight = "success_at_25_percent"
    assert ours[tight] >= 2 * max(full[tight], window[tight], 0.1)
    assert ours["success_at_100_percent"] == full["success_at_100_percent"] == 1
    assert ours["history_saved_at_100_percent"] > 0.35
    assert "against window, fetch" in result.row("hiagent").by


def test_fixed_limits_decide_over_success_and_steps() -> None:
    full, ours, dropped, hidden = window_rows(lambda *given: play(*given)[0], 8, 0, 60)
    assert ours.metrics["success_at_450_tokens"] >= 2 * full.metrics["success_at_450_tokens"]
    assert full.metrics["steps_at_450_tokens"] - ours.metrics["steps_at_450_tokens"] >= 10
    assert ours.metrics["success_at_900_tokens"] == full.metrics["success_at_900_tokens"] == 1
    assert ours.metrics["tokens_per_step_at_900_tokens"] < full.metrics["tokens_per_step_at_900_tokens"]
    soon = "success_within_24_steps_at_1500_tokens"  # where summaries drop the places, retrieval brings them back
    assert dropped.metrics[soon] >= ours.metrics[soon] - 0.05
    assert hidden.metrics[soon] <= ours.metrics[soon] - 0.3


def test_a_second_task_in_the_same_house_is_shorter_and_memories_of_another_house_do_not_help() -> None:
    _, fresh, own, other = (row.metrics["steps"] for row in trial_rows(8, 3))
    assert own < fresh - 1
    assert other > fresh - 1


def test_the_control_house_has_the_same_rooms_and_things_but_none_where_it_was() -> None:
    house = FetchMap.generate(seed=4)
    moved = _moved(house)
    assert moved.rooms == house.rooms
    assert [name for name, _ in moved.items] == [name for name, _ in house.items]
    assert all(one != two for one, two in zip(moved.items, house.items, strict=True))


def test_memories_keep_to_the_room_they_are_given() -> None:
    for name in MEMORIES:
        episode, fixed = play(fetch_task(1), name, 400, 60, 5)
        assert all(one.prompt.tokens <= fixed + 400 for one in episode.played)


def test_a_step_late_in_a_log_of_ten_thousand_is_quick() -> None:
    metrics = speed_row(repeats=20).metrics
    print(metrics)
    assert metrics["step_median_seconds"] < 0.005


@pytest.mark.parametrize(
    "wrong",
    [
        {"memories": ["elephant"]}, {"limits": []}, {"limits": [0]}, {"domains": ["chess"]}, {"maps": 0}, {"model": "oracle"}, {"colour": 1},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        run_benchmark("working", **{"domains": ["fetch"], "maps": 1, **wrong})


def test_missing_problems_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    with pytest.raises(InputError, match="LAMINA_DATA"):
        tasks_of(tmp_path, 0, 1)


@pytest.mark.slow
def test_all_problems_of_agentboard_are_read() -> None:
    pytest.importorskip("pddl")
    data = Path(os.environ.get("LAMINA_DATA", ""))
    if not (data / "agentboard_pddl").is_dir():
        pytest.skip("needs agentboard_pddl in LAMINA_DATA")
    tasks = tasks_of(data, 0, 3)
    assert {name: len(some) for name, some in tasks.items()} == {
        "blocksworld": 10,
        "gripper": 20,
        "tyreworld": 10,
        "barman": 20,
        "fetch": 3,
    }
    assert set(tasks) - {"fetch"} == set(FILES)
    assert [some[0].fully_observable for some in tasks.values()] == [True, True, False, False, False]
    assert {0.25, 0.5, 1.0} <= set(LIMITS)


@pytest.mark.slow
def test_nested_folding_doubles_success_at_a_tight_limit_on_made_up_problems() -> None:
    made = {
        "tyreworld": [tyreworld(wheels, seed=seed) for wheels in (1, 2) for seed in range(5)],
        "barman": [barman(1 + n % 2, shots=4 + n % 4, ingredients=3 + n % 2, seed=100 + n) for n in range(12)],
    }
    for domain, problems in made.items():
        tasks = [_task(domain, PlanningWorld(problem), ranked=True) for problem in problems]
        length = np.mean([history_tokens(task, play(task, "full", ROOMY, 30, 5)[0]) for task in tasks])
        success = {}
        for memory in ("full", "window", "summary-known", "hiagent", "nested"):
            success[memory] = float(np.mean([play(task, memory, round(length / 4), 30, 5)[0].success for task in tasks]))
        print(f"{domain}, a quarter of {length:.0f} tokens: {success}")
        assert success["nested"] >= 0.8
        assert success["nested"] >= success["summary-known"] >= 2 * max(success["full"], success["window"])
