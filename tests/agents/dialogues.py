"""Made dialogues: fifteen people who talk with a companion for ten days, at least two things a day, and questions about single facts and whole days."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

PEOPLE: Final = (
    "Ana", "Ben", "Clara", "Dario", "Eva", "Felix", "Greta", "Hugo", "Iris", "Jonas", "Katja", "Luis", "Marta", "Nils", "Olga",
)  # fmt: skip
POOLS: Final[dict[str, tuple[str, ...]]] = {
    "animal": ("kitten", "parrot", "tortoise", "hamster", "greyhound", "goldfish"), "pet": ("Biscuit", "Pepper", "Mango", "Olive", "Rusty", "Nutmeg"),
    "relative": ("sister", "uncle", "cousin", "grandmother", "nephew", "brother"), "city": ("Bergen", "Toledo", "Ghent", "Graz", "Turku", "Cork"),
    "colour": ("green", "yellow", "purple", "orange", "silver", "brown"), "thing": ("bicycle", "teapot", "armchair", "raincoat", "lamp", "suitcase"),
    "lost": ("umbrella", "keys", "wallet", "glasses", "scarf", "watch"), "where": ("bakery", "station", "cinema", "library", "swimming pool", "museum"),
    "skill": ("pottery", "Finnish", "the accordion", "archery", "juggling", "calligraphy"), "teacher": ("Mr Lund", "Mrs Okafor", "Ms Duarte", "Mr Hayashi", "Mrs Novak", "Ms Reyes"),
    "dish": ("lasagne", "pumpkin soup", "paella", "dumplings", "apple pie", "goulash"), "guest": ("Tobias", "Renata", "Samir", "Louise", "Pavel", "Noor"),
    "film": ("a western", "a film about whales", "a silent comedy", "a documentary on bees", "a spy thriller", "a ghost story"), "mood": ("bored", "moved", "scared", "delighted", "puzzled", "sleepy"),
    "plan": ("a camping trip", "a surprise party", "a choir concert", "a bicycle tour", "a flea market", "a wine tasting"), "month": ("April", "May", "June", "July", "August", "September"),
}  # fmt: skip
KINDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("I adopted a {animal} and named it {pet}.", "What did I name the {animal} I adopted?", "I adopted a {animal}"),
    ("My {relative} is moving to {city}.", "Where is my {relative} moving to?", "my {relative} announced the move"),
    ("I bought a {colour} {thing} in the sale.", "What colour is the {thing} I bought?", "I bought a {thing}"),
    ("I lost my {lost} at the {where}.", "Where did I lose my {lost}?", "I lost my {lost}"),
    ("I started to learn {skill} with {teacher}.", "Who teaches me {skill}?", "I started {skill}"),
    ("I cooked {dish} for {guest}.", "For whom did I cook {dish}?", "I cooked {dish}"),
    ("I watched {film} and was {mood}.", "How did I feel when I watched {film}?", "I watched {film}"),
    ("I am planning {plan} for {month}.", "When is {plan} that I plan?", "I planned {plan}"),
)  # fmt: skip
HELLO: Final = ("Good evening!", "Hello again.", "Hi, it is me.", "Hey, are you there?", "Here I am once more.")
BACK: Final = (
    "Good to hear from you. How was your day?",
    "Welcome back! What is new?",
    "Hello! Tell me everything.",
    "Hi there, how are you feeling?",
)
ASIDE: Final = (
    "It took a while, but it was worth it.", "I did not expect that at all.", "You know how these things go.", "I keep thinking about it.", "The weather was grey.",
    "I slept badly last night.", "Work was quiet for once.", "I had two cups of coffee.", "The neighbours were loud again.", "My back hurts a little.",
)  # fmt: skip
ANSWER: Final = (
    "That sounds like quite a thing.",
    "I see. How do you feel about it?",
    "Tell me more.",
    "I am glad you tell me.",
    "How interesting, and then?",
    "I will remember that.",
)
BYE: Final = ("Good night.", "See you tomorrow.", "I am off to bed.", "Talk soon.")


@dataclass(frozen=True)
class Turn:
    """One turn: who speaks, on which day, and what."""

    role: str
    day: str
    text: str


@dataclass(frozen=True)
class Probe:
    """A question of a person's, and the turns that hold what it asks for."""

    person: str
    text: str
    gold: tuple[str, ...]
    whole: bool = False


def dialogue(person: str, seed: int, days: int = 10) -> tuple[list[Turn], list[Probe], list[Probe]]:
    """The turns of one person, a probe for each planted fact, and two for each day as a whole (by its date, and by something that happened on it)."""
    drawn = random.Random(f"{seed} {person}")
    turns: list[Turn] = []
    single: list[Probe] = []
    whole: list[Probe] = []
    free = [(kind, number) for kind in range(len(KINDS)) for number in range(6)]
    order = {name: drawn.sample(pool, len(pool)) for name, pool in POOLS.items()}
    drawn.shuffle(free)
    for n in range(days):
        day = f"2026-03-{n + 1:02d}"
        planted: list[tuple[str, str]] = []
        turns += [Turn("user", day, drawn.choice(HELLO)), Turn("assistant", day, drawn.choice(BACK))]
        for _ in range(drawn.choice((2, 2, 3))):
            kind, number = free.pop()
            filled = {name: values[number] for name, values in order.items()}
            said, asked, event = (part.format(**filled) for part in KINDS[kind])
            turns += [Turn("user", day, said), Turn("assistant", day, drawn.choice(ANSWER))]
            for aside in drawn.sample(ASIDE, 3):
                turns += [Turn("user", day, aside), Turn("assistant", day, drawn.choice(ANSWER))]
            planted.append((said, event))
            single.append(Probe(person, asked, (said,)))
        turns += [Turn("user", day, drawn.choice(BYE)), Turn("assistant", day, "Sleep well!")]
        gold = tuple(said for said, _ in planted)
        whole.append(Probe(person, f"What happened on {day}?", gold, True))
        whole.append(Probe(person, f"What else happened on the day when {planted[0][1]}?", gold, True))
    return turns, single, whole


def probes(seed: int, single: int = 65, whole: int = 32) -> tuple[dict[str, list[Turn]], list[Probe]]:
    """The dialogues of all, and 97 probes drawn from those of all."""
    made = {person: dialogue(person, seed) for person in PEOPLE}
    drawn = random.Random(seed)
    facts = drawn.sample([one for _, some, _ in made.values() for one in some], single)
    days = drawn.sample([one for _, _, some in made.values() for one in some], whole)
    return {person: turns for person, (turns, _, _) in made.items()}, [*facts, *days]
