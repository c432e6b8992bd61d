"""The house, the kitchen, the adventure, and games of other packages."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lamina.agents.environments.adventure import Adventure, adventure_problem
from lamina.agents.environments.fetch import FetchMap, FetchWorld
from lamina.agents.environments.generators import gripper
from lamina.agents.environments.interactive_fiction import GameWorld, jericho_world, textworld_world
from lamina.agents.environments.kitchen import CONTAINERS, KitchenWorld, kitchen_problem
from lamina.agents.environments.planning import Step
from lamina.agents.environments.protocol import CHECK, NOT_VALID, Environment
from lamina.agents.environments.search import Planner
from lamina.errors import InputError, MissingExtraError, NotFoundError, StateError

HOUSE = FetchMap(("hall", "loft", "cellar"), (("jar", "loft"), ("bell", "cellar")))


def test_things_are_delivered_one_at_a_time_and_in_order() -> None:
    world = FetchWorld(HOUSE, ("bell", "jar"), filler=0)
    assert world.reset() == "You are in the hall. You see nothing. You carry nothing."
    for action in ("take jar", "deliver jar", "go to hall", "go to moon", "fly"):
        assert not world.step(action).valid
    for action in ("go to loft", "take the jar", "go to the hall"):
        assert world.step(action).valid
    assert not world.step("deliver jar").valid  # the bell comes first
    assert world.step("put jar").observation == "You put the jar. You are in the hall. You see: jar. You carry nothing."
    told = [world.step(one) for one in ("go to cellar", "take bell", "go to hall", "deliver bell", "take jar", "deliver jar")]
    assert [one.progress for one in told] == [0, 0, 0, 0.5, 0.5, 1]
    assert told[-1].done
    with pytest.raises(StateError):
        world.step(CHECK)


def test_a_map_keeps_its_things_when_the_goal_changes() -> None:
    places = FetchMap.generate(seed=4)
    assert places == FetchMap.generate(seed=4) != FetchMap.generate(seed=5)
    assert (len(places.rooms), len(places.items)) == (10, 8)
    assert places.draw(seed=1) != places.draw(seed=2)
    world = FetchWorld(places, places.draw(seed=2))
    assert world.reset() == world.reset()
    assert len(world.reset().split()) >= 25 + 10


@pytest.mark.parametrize(
    "call",
    [
        lambda: FetchMap.generate(1),
        lambda: FetchMap.generate(items=100),
        lambda: FetchMap(("hall", "hall"), ()),
        lambda: FetchMap(("hall", "loft"), (("jar", "hall"),)),
        lambda: HOUSE.draw(3),
        lambda: FetchWorld(HOUSE, ("jar", "jar")),
        lambda: FetchWorld(HOUSE, filler=-1),
        lambda: KitchenWorld(kitchen_problem(seed=1), 1.5),
        lambda: KitchenWorld(kitchen_problem(seed=1), float("nan")),
        lambda: KitchenWorld(gripper(1)),
        lambda: kitchen_problem(least=0),
        lambda: Adventure(gripper(1)),
        lambda: adventure_problem(seed=1.5),
    ],
)
def test_worlds_that_cannot_be_are_refused(call) -> None:
    with pytest.raises(InputError):
        call()


def run(world: KitchenWorld, plan: list[Step] | None) -> tuple[list, list]:
    """Do a plan that was made at the start, whatever happens."""
    world.reset()
    outcomes = []
    for step in plan or ():
        outcomes.append(world.step(world.wording.command(step)))
        if outcomes[-1].done:
            break
    return outcomes, world.happened


def test_a_kitchen_without_disturbances_does_what_is_planned() -> None:
    for seed in range(3):
        problem = kitchen_problem(seed=seed)
        outcomes, happened = run(KitchenWorld(problem), Planner(problem).plan())
        assert outcomes[-1].done
        assert not happened


def test_disturbances_are_of_three_kinds_come_the_same_way_again_and_spoil_plans_made_once() -> None:
    problems = [kitchen_problem(seed=seed) for seed in range(4)]
    plans = [Planner(one).plan() for one in problems]
    kinds: set[str] = set()
    reached = {0.05: 0, 0.1: 0, 0.2: 0}
    for rate in reached:
        for seed in range(100):
            world = KitchenWorld(problems[seed % 4], rate, seed=seed)
            first = run(world, plans[seed % 4])
            if seed < 5:
                assert run(world, plans[seed % 4]) == first
            kinds |= {word for _, text in first[1] for word in ("moved", "closed", "fails") if word in text}
            reached[rate] += first[0][-1].done
    print(f"plans made once, of 100: {reached}; actions {[len(one or ()) for one in plans]}")
    assert kinds == {"moved", "closed", "fails"}
    assert reached[0.2] < 25 < 40 < reached[0.05]


def test_whoever_plans_anew_before_each_action_reaches_the_goal_under_disturbances() -> None:
    steps = []
    for seed in range(12):
        world = KitchenWorld(kitchen_problem(seed=seed % 4), 0.2, seed=seed)
        planner = Planner(world.problem)
        world.reset()
        for count in range(1, 61):
            plan = planner.plan(world.truth)
            if world.step(world.wording.command(plan[0]) if plan else CHECK).done:
                steps.append(count)
                break
    print(f"planned anew: {len(steps)} of 12, {sum(steps) / 12:.1f} actions")
    assert len(steps) == 12


def test_a_skill_that_fails_says_nothing_and_changes_nothing() -> None:
    for seed in range(200):
        world = KitchenWorld(kitchen_problem(seed=1), 1.0, seed=seed)
        before = world.reset()
        if world.happened[0][1].endswith("fails"):
            break
    kept = world.truth
    going = next(one for one in world.valid_actions() if one.startswith("navigate_to"))
    world.disturbance = 0.0
    outcome = world.step(going)
    assert (outcome.valid, outcome.observation, world.truth) == (True, before, kept)
    assert world.step(going).observation != before


def test_robots_reach_and_see_only_what_they_may() -> None:
    world = KitchenWorld(kitchen_problem(seed=1))
    world.reset()
    for action in world.valid_actions():
        if action.startswith("open(robot_1"):
            assert "drawer" not in action
            assert "trash" not in action
    closed = [one for one in CONTAINERS if ("closed", one) in world.truth]
    hidden = {fact for fact in world.truth if fact[0] == "in" and fact[2] in closed}
    assert closed
    assert not hidden & world.facts
    told = world.observe()
    assert all(world.wording.sentence(one) in told for one in world.wording.read(told))
    assert frozenset(one.fact for one in world.wording.read(told)) == world.facts
    for call in ("navigate_to('sink')", 'Navigate_To( "sink" )', "navigate_to(sink)"):
        world.reset()
        assert world.step(call).valid or ("at", "robot_1", "sink") in world.truth
    for call in ("navigate_to()", "__import__('os')", "navigate_to(sink); open(robot_2, drawer_1)", "open(robot_1, drawer_1)"):
        assert world.step(call).observation == NOT_VALID


def test_the_adventure_can_be_won_and_tells_only_what_is_here() -> None:
    for seed in range(5):
        world = Adventure(adventure_problem(seed=seed))
        first = world.reset()
        assert world.step("look").observation == first
        assert "gallery" not in first
        progress = []
        for step in Planner(world.problem).plan() or ():
            progress.append(world.step(world.wording.command(step)).progress)
        assert sorted(set(progress)) == [0, 1 / 3, 2 / 3, 1]
    world.reset()
    assert {"look", "inventory"} < set(world.valid_actions())
    assert all(world.step(one).observation == NOT_VALID for one in ("go gallery", "light lamp", "x" * 2000))


class Coin:
    """A game: take the coin, then leave."""

    def __init__(self) -> None:
        self.has, self.over = False, False

    def begin(self) -> str:
        self.has = self.over = False
        return "A room.\n  A coin."

    def do(self, command: str) -> tuple[str, bool]:
        if command not in self.commands():
            return "What?", False
        self.has = self.has or command == "take coin"
        self.over = command == "leave"
        return "Done.", True

    def commands(self) -> list[str]:
        return ["leave"] if self.has else ["take coin", "leave"]

    @property
    def progress(self) -> float:
        return float(self.has)


def test_any_game_is_a_world() -> None:
    world: Environment = GameWorld(Coin(), "coin", "Take the coin.")
    with pytest.raises(StateError):
        world.step("leave")
    assert world.reset() == "A room. A coin."
    assert world.valid_actions() == ["leave", "take coin"]
    assert world.step("eat coin").observation == f"{NOT_VALID} What?"
    assert world.step("x" * 1001).observation == NOT_VALID
    assert world.step(CHECK).observation == "Valid actions are: leave, take coin."
    assert world.step("Take coin").progress == 1.0
    assert world.step("leave").done
    with pytest.raises(StateError):
        world.step("leave")
    with pytest.raises(InputError):
        GameWorld(Coin(), "coin", "two\nlines")


def test_the_adapters_drive_what_the_packages_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Frotz:
        def __init__(self, path: str, seed: int = 0) -> None:
            self.where, self.points = 0, 0
            self.most = 0 if "unknown" in path else 2

        def reset(self):
            self.where, self.points = 0, 0
            return "West of House", {}

        def step(self, command: str):
            self.where += command == "north"
            self.points = self.where
            return f"You {command}.", 0, self.where == 2, {}

        get_world_state_hash = lambda self: str(self.where)  # noqa: E731
        get_valid_actions = lambda self: ["north"]  # noqa: E731
        get_max_score = lambda self: self.most  # noqa: E731
        get_score = lambda self: self.points  # noqa: E731

    monkeypatch.setitem(sys.modules, "jericho", SimpleNamespace(FrotzEnv=Frotz))
    (tmp_path / "game.z5").write_bytes(b"x")
    (tmp_path / "unknown.z5").write_bytes(b"x")
    world = jericho_world(tmp_path / "game.z5")
    assert world.reset() == "West of House"
    assert [(one.valid, one.progress, one.done) for one in map(world.step, ("dance", "look", "north", "north"))] == [
        (False, 0.0, False), (True, 0.0, False), (True, 0.5, False), (True, 1.0, True),
    ]  # fmt: skip
    with pytest.raises(InputError, match="does not know"):
        jericho_world(tmp_path / "unknown.z5")

    class Playing:
        def reset(self):
            return {"feedback": "___\nA hall.", "objective": "Win.\n", "admissible_commands": ["take type X key"], "max_score": 1}

        def step(self, command: str):
            return {"feedback": "Taken.\n> -= Hall =-0/1", "score": 1, "max_score": 1, "won": True}, 1, True

    fake = SimpleNamespace(EnvInfos=lambda **_: None, start=lambda path, request_infos: Playing())
    monkeypatch.setitem(sys.modules, "textworld", fake)
    (tmp_path / "game.z8").write_bytes(b"x")
    game = textworld_world(tmp_path / "game.z8")
    assert (game.goal, game.reset()) == ("Win.", "A hall.")
    outcome = game.step("Take type X key")
    assert (outcome.observation, outcome.valid, outcome.progress, outcome.done) == ("Taken.", True, 1.0, True)
    with pytest.raises(NotFoundError):
        textworld_world(tmp_path / "none.z8")


@pytest.mark.parametrize(("package", "world"), [("jericho", jericho_world), ("textworld", textworld_world)])
def test_without_a_package_its_extra_is_named(package: str, world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"lamina\[fiction\]"):
        world("game.z8")


def test_a_game_that_textworld_makes_is_played_to_its_end(tmp_path: Path) -> None:
    textworld = pytest.importorskip("textworld")
    options = textworld.GameOptions()
    options.seeds, options.nb_rooms, options.quest_length, options.path = 3, 3, 3, str(tmp_path / "game.z8")
    path, game = textworld.make(options)
    world = textworld_world(path)
    first = world.reset()
    assert not world.step("dance").valid
    outcomes = [world.step(one) for one in game.metadata["walkthrough"]]
    assert all(one.valid for one in outcomes)
    assert (outcomes[-1].progress, outcomes[-1].done) == (1.0, True)
    assert world.reset() == first
