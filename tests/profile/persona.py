"""A made person: forty facts over eight topics, and vague requests each of which needs the facts of one topic."""

from __future__ import annotations

from typing import Final

FACTS: Final[dict[str, tuple[str, ...]]] = {
    "food": ("I like grilled sardines.", "I hate olives.", "I never eat meat.", "My favourite dish is mushroom risotto.", "I love spicy soup."),
    "sport": ("I play tennis on Sundays.", "I love swimming in the sea.", "I hate running.", "My favourite team is Boavista.", "I usually cycle to training."),
    "work": ("I work as an accountant in a bank.", "My boss is called Rui.", "I usually write reports on Mondays.", "I hate long meetings.", "My office is on the fourth floor."),
    "music": ("I play the violin.", "I love jazz concerts.", "My favourite band is Madredeus.", "I never listen to techno.", "I like old vinyl records."),
    "travel": ("I want to visit Norway by train.", "I hate flying.", "I love small islands.", "My passport is from Portugal.", "I usually book quiet hotels."),
    "garden": ("I have a small garden with roses.", "I love planting tomatoes.", "My lemon tree is ten years old.", "I always water the flowers at dawn.", "I hate snails on the lettuce."),
    "reading": ("I love crime novels.", "My favourite author is Saramago.", "I usually read in bed.", "I prefer paper books to screens.", "I have a card of the city library."),
    "animals": ("I have two cats.", "My dog is afraid of thunder.", "I love watching birds.", "I never ride horses.", "I like feeding ducks in the park."),
}  # fmt: skip
REQUESTS: Final[tuple[tuple[str, str], ...]] = (
    ("food", "What should I cook for dinner tonight?"), ("food", "Suggest a restaurant dish for me."), ("food", "Plan my meals and soup for the week."), ("food", "Which starters should I eat?"),
    ("sport", "Which sport should I train this summer?"), ("sport", "Plan a week of exercise for me."), ("sport", "Find a match or a team I would enjoy."), ("sport", "How should I get fit by swimming or running?"),
    ("work", "Write a mail to my boss about the office."), ("work", "How can I make meetings at work shorter?"), ("work", "Prepare me for my job at the bank."), ("work", "Help me with the reports."),
    ("music", "Which concert should I go to?"), ("music", "Make me a playlist of songs and bands."), ("music", "Recommend music to listen to."), ("music", "What should I practise on my instrument?"),
    ("travel", "Where should I go on holiday?"), ("travel", "Book a trip and a hotel for me."), ("travel", "Plan a journey to an island or by train."), ("travel", "How do I get abroad without flying?"),
    ("garden", "What should I plant this spring?"), ("garden", "How do I keep my flowers and trees healthy?"), ("garden", "Help me with the vegetables in the garden."), ("garden", "What can I do against pests on the lettuce?"),
    ("reading", "Which novel should I read next?"), ("reading", "Recommend a book by a good author."), ("reading", "What should I borrow from the library?"),
    ("animals", "Which pet suits me?"), ("animals", "How do I care for my cats and my dog?"), ("animals", "Where can I watch birds and ducks?"),
)  # fmt: skip


def topic_of(text: str) -> str | None:
    """The topic of a fact."""
    return next((topic for topic, facts in FACTS.items() if text in facts), None)
