"""Four domains for planning and their words: Blocksworld, Gripper, Tyreworld and Barman.

Sources: the rules are those of the classical planning competitions (F. Bacchus, "AIPS-00 planning competition", 2001, for the first
two; S. J. Russell's flat tyre domain, 1992; S. Jiménez Celorrio's Barman, 2011) as used by C. Ma et al., "AgentBoard: an analytical
evaluation board of multi-turn LLM agents", 2024. Whoever has the files can read them with `pddl_files`; the worlds are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lamina.agents.environments.planning import Action, Domain
from lamina.agents.environments.wording import Wording

# ----------------------------------------------------------------------------------------------------------- Blocksworld
BLOCKSWORLD: Final = Domain(
    "blocksworld-4ops",
    (
        Action.of(
            "pickup",
            "?ob",
            "clear ?ob, on-table ?ob, arm-empty",
            "holding ?ob, not clear ?ob, not on-table ?ob, not arm-empty",
        ),
        Action.of("putdown", "?ob", "holding ?ob", "clear ?ob, arm-empty, on-table ?ob, not holding ?ob"),
        Action.of(
            "stack",
            "?ob ?underob",
            "clear ?underob, holding ?ob",
            "arm-empty, clear ?ob, on ?ob ?underob, not clear ?underob, not holding ?ob",
        ),
        Action.of(
            "unstack",
            "?ob ?underob",
            "on ?ob ?underob, clear ?ob, arm-empty",
            "holding ?ob, clear ?underob, not on ?ob ?underob, not clear ?ob, not arm-empty",
        ),
    ),
    {"clear": ("object",), "on-table": ("object",), "arm-empty": (), "holding": ("object",), "on": ("object", "object")},
)
BLOCKSWORLD_WORDING: Final = Wording(
    {
        "clear": ("{0} is clear", "{0} is not clear"),
        "on-table": ("{0} is on the table", "{0} is not on the table"),
        "arm-empty": ("the arm is empty", "the arm is not empty"),
        "holding": ("the arm holds {0}", "the arm does not hold {0}"),
        "on": ("{0} is on {1}", "{0} is not on {1}"),
    },
    {"pickup": "pickup {0}", "putdown": "putdown {0}", "stack": "stack {0} {1}", "unstack": "unstack {0} {1}"},
    {"pickup": ("pick-up",), "putdown": ("put-down",)},
    {
        "pickup": "take the block <ob> from the table. <ob> must be clear and on the table, and the arm empty. "
        "Then the arm holds <ob>, which is neither clear nor on the table.",
        "putdown": "put the block <ob>, which the arm must hold, on the table. Then <ob> is clear and the arm empty.",
        "stack": "put the block <ob>, which the arm must hold, on <underob>, which must be clear. Then <ob> is clear, <underob> is not, "
        "and the arm is empty.",
        "unstack": "take the block <ob> from <underob>. <ob> must be on <underob> and clear, and the arm empty. "
        "Then the arm holds <ob>, and <underob> is clear.",
    },
    "You move blocks with an arm that holds one block at a time. Blocks stand on the table or on each other; the table has room for all.",
    {
        "clear": ("clear", "{0}"),
        "on-table": ("on the table", "{0}"),
        "holding": ("in the arm", "{0}"),
        "on": ("stacked", "{0} on {1}"),
    },
)

# --------------------------------------------------------------------------------------------------------------- Gripper
GRIPPER: Final = Domain(
    "gripper-strips",
    (
        Action.of("move", "?from ?to", "room ?from, room ?to, at-robby ?from", "at-robby ?to, not at-robby ?from"),
        Action.of(
            "pick",
            "?obj ?room ?gripper",
            "ball ?obj, room ?room, gripper ?gripper, at ?obj ?room, at-robby ?room, free ?gripper",
            "carry ?obj ?gripper, not at ?obj ?room, not free ?gripper",
        ),
        Action.of(
            "drop",
            "?obj ?room ?gripper",
            "ball ?obj, room ?room, gripper ?gripper, carry ?obj ?gripper, at-robby ?room",
            "at ?obj ?room, free ?gripper, not carry ?obj ?gripper",
        ),
    ),
    {
        "room": ("object",),
        "ball": ("object",),
        "gripper": ("object",),
        "at-robby": ("object",),
        "at": ("object", "object"),
        "free": ("object",),
        "carry": ("object", "object"),
    },
)
GRIPPER_WORDING: Final = Wording(
    {
        "room": ("{0} is a room", "{0} is not a room"),
        "ball": ("{0} is a ball", "{0} is not a ball"),
        "gripper": ("{0} is a gripper", "{0} is not a gripper"),
        "at-robby": ("robby is at {0}", "robby is not at {0}"),
        "at": ("{0} is at {1}", "{0} is not at {1}"),
        "free": ("{0} is free", "{0} is not free"),
        "carry": ("{1} carries {0}", "{1} does not carry {0}"),
    },
    {"move": "move {0} {1}", "pick": "pick {0} {1} {2}", "drop": "drop {0} {1} {2}"},
    {"pick": ("pick-up", "pickup")},
    {
        "move": "go from the room <from>, where you must be, to the room <to>.",
        "pick": "take the ball <obj> in the room <room> with the gripper <gripper>. You and the ball must be in the room, and the gripper "
        "free. Then the gripper carries the ball, which is no longer in the room.",
        "drop": "let go of the ball <obj> in the room <room>, where you must be, from the gripper <gripper>, which must carry it. "
        "Then the ball is in the room and the gripper free.",
    },
    "You are the robot robby and carry balls between rooms in your grippers, one ball in each.",
    {
        "room": ("rooms", "{0}"),
        "ball": ("balls", "{0}"),
        "gripper": ("grippers", "{0}"),
        "at-robby": ("with robby", "{0}"),
        "at": ("in {1}", "{0}"),
        "free": ("free", "{0}"),
        "carry": ("in gripper {1}", "{0}"),
    },
)

# ------------------------------------------------------------------------------------------------------------- Tyreworld
TYREWORLD: Final = Domain(
    "tyreworld",
    (
        Action.of("open", "?x:container", "unlocked ?x, closed ?x", "isopen ?x, not closed ?x"),
        Action.of("close", "?x:container", "isopen ?x", "closed ?x, not isopen ?x"),
        Action.of("fetch", "?x:obj ?y:container", "in ?x ?y, isopen ?y", "have ?x, not in ?x ?y"),
        Action.of("put-away", "?x:obj ?y:container", "have ?x, isopen ?y", "in ?x ?y, not have ?x"),
        Action.of("loosen", "?x:nut ?y:hub", "have wrench, tight ?x ?y, on-ground ?y", "loose ?x ?y, not tight ?x ?y"),
        Action.of("tighten", "?x:nut ?y:hub", "have wrench, loose ?x ?y, on-ground ?y", "tight ?x ?y, not loose ?x ?y"),
        Action.of("jack-up", "?y:hub", "on-ground ?y, have jack", "not-on-ground ?y, not on-ground ?y, not have jack"),
        Action.of("jack-down", "?y:hub", "not-on-ground ?y", "on-ground ?y, have jack, not not-on-ground ?y"),
        Action.of(
            "undo",
            "?x:nut ?y:hub",
            "not-on-ground ?y, fastened ?y, have wrench, loose ?x ?y",
            "have ?x, unfastened ?y, not fastened ?y, not loose ?x ?y",
        ),
        Action.of(
            "do-up",
            "?x:nut ?y:hub",
            "have wrench, unfastened ?y, not-on-ground ?y, have ?x",
            "loose ?x ?y, fastened ?y, not unfastened ?y, not have ?x",
        ),
        Action.of(
            "remove-wheel", "?x:wheel ?y:hub", "not-on-ground ?y, on ?x ?y, unfastened ?y", "have ?x, free ?y, not on ?x ?y"
        ),
        Action.of(
            "put-on-wheel",
            "?x:wheel ?y:hub",
            "have ?x, free ?y, unfastened ?y, not-on-ground ?y",
            "on ?x ?y, not free ?y, not have ?x",
        ),
        Action.of("inflate", "?x:wheel", "have pump, not-inflated ?x, intact ?x", "inflated ?x, not not-inflated ?x"),
    ),
    {
        "isopen": ("container",),
        "closed": ("container",),
        "have": ("obj",),
        "in": ("obj", "container"),
        "loose": ("nut", "hub"),
        "tight": ("nut", "hub"),
        "unlocked": ("container",),
        "on-ground": ("hub",),
        "not-on-ground": ("hub",),
        "inflated": ("wheel",),
        "not-inflated": ("wheel",),
        "fastened": ("hub",),
        "unfastened": ("hub",),
        "free": ("hub",),
        "on": ("wheel", "hub"),
        "intact": ("wheel",),
    },
    {"obj": "object", "tool": "obj", "wheel": "obj", "nut": "obj", "container": "object", "hub": "object"},
    {"wrench": "tool", "pump": "tool", "jack": "tool"},
)
TYREWORLD_WORDING: Final = Wording(
    {
        "isopen": ("{0} is open", "{0} is no longer open"),
        "closed": ("{0} is closed", "{0} is no longer closed"),
        "have": ("you have {0}", "you no longer have {0}"),
        "in": ("{0} is in {1}", "{0} is no longer in {1}"),
        "loose": ("the nut {0} on {1} is loose", "the nut {0} on {1} is no longer loose"),
        "tight": ("the nut {0} on {1} is tight", "the nut {0} on {1} is no longer tight"),
        "unlocked": ("{0} is unlocked", "{0} is no longer unlocked"),
        "on-ground": ("{0} is on the ground", "{0} is no longer on the ground"),
        "not-on-ground": ("{0} is jacked up", "{0} is no longer jacked up"),
        "inflated": ("{0} is inflated", "{0} is no longer inflated"),
        "not-inflated": ("{0} is flat", "{0} is no longer flat"),
        "fastened": ("{0} is fastened", "{0} is no longer fastened"),
        "unfastened": ("{0} is unfastened", "{0} is no longer unfastened"),
        "free": ("{0} is free", "{0} is no longer free"),
        "on": ("{0} is on {1}", "{0} is no longer on {1}"),
        "intact": ("{0} is intact", "{0} is no longer intact"),
    },
    {
        "open": "open {0}",
        "close": "close {0}",
        "fetch": "fetch {0} {1}",
        "put-away": "put-away {0} {1}",
        "loosen": "loosen {0} {1}",
        "tighten": "tighten {0} {1}",
        "jack-up": "jack-up {0}",
        "jack-down": "jack-down {0}",
        "undo": "undo {0} {1}",
        "do-up": "do-up {0} {1}",
        "remove-wheel": "remove-wheel {0} {1}",
        "put-on-wheel": "put-on-wheel {0} {1}",
        "inflate": "inflate {0}",
    },
    plain="You change the flat wheels of a car. Tools and spare wheels lie in the boot. A wheel comes off a hub that is jacked up and "
    "whose nut has been loosened on the ground and then undone. An observation tells only what an action changed.",
    short={
        "isopen": ("open", "{0}"),
        "closed": ("closed", "{0}"),
        "have": ("you have", "{0}"),
        "in": ("in {1}", "{0}"),
        "loose": ("loose", "{0} on {1}"),
        "tight": ("tight", "{0} on {1}"),
        "unlocked": ("unlocked", "{0}"),
        "on-ground": ("on the ground", "{0}"),
        "not-on-ground": ("jacked up", "{0}"),
        "inflated": ("inflated", "{0}"),
        "not-inflated": ("flat", "{0}"),
        "fastened": ("fastened", "{0}"),
        "unfastened": ("unfastened", "{0}"),
        "free": ("free", "{0}"),
        "on": ("wheels", "{0} on {1}"),
        "intact": ("intact", "{0}"),
    },
)

# ---------------------------------------------------------------------------------------------------------------- Barman
BARMAN: Final = Domain(
    "barman",
    (
        Action.of("grasp", "?h:hand ?c:container", "ontable ?c, handempty ?h", "not ontable ?c, not handempty ?h, holding ?h ?c"),
        Action.of("leave", "?h:hand ?c:container", "holding ?h ?c", "not holding ?h ?c, handempty ?h, ontable ?c"),
        Action.of(
            "fill-shot",
            "?s:shot ?i:ingredient ?h1:hand ?h2:hand ?d:dispenser",
            "holding ?h1 ?s, handempty ?h2, dispenses ?d ?i, empty ?s, clean ?s",
            "not empty ?s, contains ?s ?i, not clean ?s, used ?s ?i",
        ),
        Action.of(
            "refill-shot",
            "?s:shot ?i:ingredient ?h1:hand ?h2:hand ?d:dispenser",
            "holding ?h1 ?s, handempty ?h2, dispenses ?d ?i, empty ?s, used ?s ?i",
            "not empty ?s, contains ?s ?i",
        ),
        Action.of("empty-shot", "?h:hand ?p:shot ?b:beverage", "holding ?h ?p, contains ?p ?b", "not contains ?p ?b, empty ?p"),
        Action.of(
            "clean-shot",
            "?s:shot ?b:beverage ?h1:hand ?h2:hand",
            "holding ?h1 ?s, handempty ?h2, empty ?s, used ?s ?b",
            "not used ?s ?b, clean ?s",
        ),
        Action.of(
            "pour-shot-to-clean-shaker",
            "?s:shot ?i:ingredient ?d:shaker ?h1:hand ?l:level ?l1:level",
            "holding ?h1 ?s, contains ?s ?i, empty ?d, clean ?d, shaker-level ?d ?l, next ?l ?l1",
            "not contains ?s ?i, empty ?s, contains ?d ?i, not empty ?d, not clean ?d, unshaked ?d, not shaker-level ?d ?l, "
            "shaker-level ?d ?l1",
        ),
        Action.of(
            "pour-shot-to-used-shaker",
            "?s:shot ?i:ingredient ?d:shaker ?h1:hand ?l:level ?l1:level",
            "holding ?h1 ?s, contains ?s ?i, unshaked ?d, shaker-level ?d ?l, next ?l ?l1",
            "not contains ?s ?i, contains ?d ?i, empty ?s, not shaker-level ?d ?l, shaker-level ?d ?l1",
        ),
        Action.of(
            "empty-shaker",
            "?h:hand ?s:shaker ?b:cocktail ?l:level ?l1:level",
            "holding ?h ?s, contains ?s ?b, shaked ?s, shaker-level ?s ?l, shaker-empty-level ?s ?l1",
            "not shaked ?s, not shaker-level ?s ?l, shaker-level ?s ?l1, not contains ?s ?b, empty ?s",
        ),
        Action.of("clean-shaker", "?h1:hand ?h2:hand ?s:shaker", "holding ?h1 ?s, handempty ?h2, empty ?s", "clean ?s"),
        Action.of(
            "shake",
            "?b:cocktail ?d1:ingredient ?d2:ingredient ?s:shaker ?h1:hand ?h2:hand",
            "holding ?h1 ?s, handempty ?h2, contains ?s ?d1, contains ?s ?d2, cocktail-part1 ?b ?d1, cocktail-part2 ?b ?d2, unshaked ?s",
            "not unshaked ?s, not contains ?s ?d1, not contains ?s ?d2, shaked ?s, contains ?s ?b",
        ),
        Action.of(
            "pour-shaker-to-shot",
            "?b:beverage ?d:shot ?h:hand ?s:shaker ?l:level ?l1:level",
            "holding ?h ?s, shaked ?s, empty ?d, clean ?d, contains ?s ?b, shaker-level ?s ?l, next ?l1 ?l",
            "not clean ?d, not empty ?d, contains ?d ?b, shaker-level ?s ?l1, not shaker-level ?s ?l",
        ),
    ),
    {
        "ontable": ("container",),
        "holding": ("hand", "container"),
        "handempty": ("hand",),
        "empty": ("container",),
        "contains": ("container", "beverage"),
        "clean": ("container",),
        "used": ("container", "beverage"),
        "dispenses": ("dispenser", "ingredient"),
        "shaker-empty-level": ("shaker", "level"),
        "shaker-level": ("shaker", "level"),
        "next": ("level", "level"),
        "unshaked": ("shaker",),
        "shaked": ("shaker",),
        "cocktail-part1": ("cocktail", "ingredient"),
        "cocktail-part2": ("cocktail", "ingredient"),
    },
    {
        "hand": "object",
        "level": "object",
        "beverage": "object",
        "dispenser": "object",
        "container": "object",
        "ingredient": "beverage",
        "cocktail": "beverage",
        "shot": "container",
        "shaker": "container",
    },
)
BARMAN_WORDING: Final = Wording(
    {
        "ontable": ("{0} is on the table", "{0} is no longer on the table"),
        "holding": ("the {0} hand holds {1}", "the {0} hand no longer holds {1}"),
        "handempty": ("the {0} hand is empty", "the {0} hand is no longer empty"),
        "empty": ("{0} is empty", "{0} is no longer empty"),
        "contains": ("{0} contains {1}", "{0} no longer contains {1}"),
        "clean": ("{0} is clean", "{0} is no longer clean"),
        "used": ("{0} was used for {1}", "{0} is no longer used for {1}"),
        "dispenses": ("{0} dispenses {1}", "{0} no longer dispenses {1}"),
        "shaker-empty-level": ("{0} is empty at level {1}", "{0} is no longer empty at level {1}"),
        "shaker-level": ("{0} is at level {1}", "{0} is no longer at level {1}"),
        "next": ("level {1} follows level {0}", "level {1} no longer follows level {0}"),
        "unshaked": ("{0} is unshaked", "{0} is no longer unshaked"),
        "shaked": ("{0} is shaked", "{0} is no longer shaked"),
        "cocktail-part1": ("the first part of {0} is {1}", "the first part of {0} is no longer {1}"),
        "cocktail-part2": ("the second part of {0} is {1}", "the second part of {0} is no longer {1}"),
    },
    {
        "grasp": "{0} grasp {1}",
        "leave": "{0} leave {1}",
        "fill-shot": "fill-shot {0} {1} {2} {3} {4}",
        "refill-shot": "refill-shot {0} {1} {2} {3} {4}",
        "empty-shot": "empty-shot {0} {1} {2}",
        "clean-shot": "clean-shot {0} {1} {2} {3}",
        "pour-shot-to-clean-shaker": "pour-shot-to-clean-shaker {0} {1} {2} {3} {4} {5}",
        "pour-shot-to-used-shaker": "pour-shot-to-used-shaker {0} {1} {2} {3} {4} {5}",
        "empty-shaker": "empty-shaker {0} {1} {2} {3} {4}",
        "clean-shaker": "clean-shaker {0} {1} {2}",
        "shake": "shake {0} {1} {2} {3} {4} {5}",
        "pour-shaker-to-shot": "pour-shaker-to-shot {0} {1} {2} {3} {4} {5}",
    },
    plain="You are a barman with two hands, shot glasses, a shaker and dispensers of ingredients. A cocktail is made of two "
    "ingredients, poured from a shot glass into a clean shaker, shaken, and poured into a clean and empty shot glass. An "
    "observation tells only what an action changed.",
    short={
        "ontable": ("on the table", "{0}"),
        "holding": ("in the {0} hand", "{1}"),
        "handempty": ("empty hand", "{0}"),
        "empty": ("empty", "{0}"),
        "contains": ("with {1}", "{0}"),
        "clean": ("clean", "{0}"),
        "used": ("used for {1}", "{0}"),
        "dispenses": ("dispensers", "{1} from {0}"),
        "shaker-empty-level": ("empty at level {1}", "{0}"),
        "shaker-level": ("at level {1}", "{0}"),
        "next": ("levels", "{0} before {1}"),
        "unshaked": ("unshaked", "{0}"),
        "shaked": ("shaked", "{0}"),
        "cocktail-part1": ("parts of {0}", "{1} first"),
        "cocktail-part2": ("parts of {0}", "{1} second"),
    },
)

DOMAINS: Final[Mapping[str, tuple[Domain, Wording, bool]]] = {
    "blocksworld": (BLOCKSWORLD, BLOCKSWORLD_WORDING, True),
    "gripper": (GRIPPER, GRIPPER_WORDING, True),
    "tyreworld": (TYREWORLD, TYREWORLD_WORDING, False),
    "barman": (BARMAN, BARMAN_WORDING, False),
}
"""Each domain with its wording and whether its worlds show their whole state."""
