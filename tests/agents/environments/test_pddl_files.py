"""Planning problems in files."""

import sys
from pathlib import Path

import pytest

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.pddl_files import read_domain, read_problem
from lamina.agents.environments.planning import literals
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.search import Planner
from lamina.errors import InputError, MissingExtraError, NotFoundError

DOMAIN = """(define (domain Lamps) ; parts out of order, and no requirements
  (:types lamp switch - object)
  (:predicates (lit ?l - lamp) (wired ?s - switch ?l - lamp))
  (:constants master - switch)
  (:action press :parameters (?s - switch ?l - lamp)
    :precondition (and (wired ?s ?l) (not (lit ?l))) :effect (lit ?l))
  (:action out :parameters (?s - switch ?l - lamp)
    :precondition (and (wired ?s ?l) (lit ?l)) :effect (and (not (lit ?l)))))"""
PROBLEM = """(define (problem p) (:domain lamps) (:objects l1 L2 - lamp)
  (:init (wired master l1) (wired master l2) (lit l1)) (:goal (and (lit l2) (not (lit l1)))))"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    pytest.importorskip("pddl")
    (tmp_path / "d.pddl").write_text(DOMAIN)
    (tmp_path / "p.pddl").write_text(PROBLEM)
    return tmp_path / "d.pddl", tmp_path / "p.pddl"


def test_a_domain_and_its_problem_are_read_and_played(files: tuple[Path, Path]) -> None:
    domain = read_domain(files[0])
    assert domain.constants == {"master": "switch"}
    problem = read_problem(files[1], domain)
    assert problem.name == "p"
    assert problem.goal == literals("lit l2, not lit l1")[::-1] or set(problem.goal) == set(literals("lit l2, not lit l1"))
    assert sorted(map(str, Planner(problem).plan() or ())) == ["out master l1", "press master l2"]
    world = PlanningWorld(problem)
    assert world.reset() == "lit l1. wired master l1. wired master l2."
    assert world.step("press master l2").progress == 0.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("", "not PDDL"),
        ("(define", "not PDDL"),
        ("(" * 60 + ")" * 60, "more than 50 deep"),
        (DOMAIN.replace("(wired ?s ?l) (not (lit ?l))", "(or (wired ?s ?l) (lit ?l))"), "."),
    ],
)
def test_what_is_not_understood_is_refused(files: tuple[Path, Path], wrong: str, said: str) -> None:
    files[0].write_text(wrong)
    with pytest.raises(InputError, match=said):
        read_domain(files[0])


def test_files_that_are_missing_binary_large_or_of_another_domain_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    domain = read_domain(files[0])
    with pytest.raises(NotFoundError):
        read_domain(tmp_path / "none.pddl")
    files[0].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_domain(files[0])
    files[0].write_bytes(b" " * 1_000_001)
    with pytest.raises(InputError, match="bytes"):
        read_domain(files[0])
    files[1].write_text(PROBLEM.replace("(:domain lamps)", "(:domain tables)"))
    with pytest.raises(InputError, match="not of 'lamps'"):
        read_problem(files[1], domain)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.split(".")[0] == "pddl"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pddl", None)
    (tmp_path / "d.pddl").write_text(DOMAIN)
    with pytest.raises(MissingExtraError, match=r"lamina\[agents\]"):
        read_domain(tmp_path / "d.pddl")


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["blockworld", "gripper", "tyreworld", "barman"])
def test_the_files_of_agentboard_hold_the_same_domains_and_every_problem_has_a_plan(folder: str, data_root: Path) -> None:
    pytest.importorskip("pddl")
    root = data_root / "agentboard_pddl"
    if not root.is_dir():
        pytest.skip("no folder agentboard_pddl in the evaluation data")
    domain, own = read_domain(root / f"{folder}.pddl"), DOMAINS["blocksworld" if folder == "blockworld" else folder][0]
    assert sorted(domain.actions, key=str) == sorted(own.actions, key=str)
    assert (domain.name, domain.types, domain.constants) == (own.name, own.types, own.constants)
    files = sorted((root / folder).glob("*.pddl"))
    assert len(files) in (10, 20)
    for file in files:
        problem = read_problem(file, domain)
        state = problem.start
        for step in Planner(problem).staged() or ():
            assert step.applies(state)
            state = step.after(state)
        assert problem.progress(state) == 1.0, file
