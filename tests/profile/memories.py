"""Written memories of a person: eight topics of twelve notes, and twenty things that came up once; one set for choosing settings, one for measuring."""

from __future__ import annotations

import random
from typing import Final

CHOSEN_ON: Final[dict[str, str]] = {
    "garden": """I planted tomatoes along the south wall. The roses need pruning before spring. I watered the seedlings twice. Slugs ate half of the lettuce.
        The compost heap is warm at last. I bought bulbs of tulips and daffodils. Weeds are taking over the flower bed. My greenhouse needs new glass.
        I dug over the vegetable patch. The hedge has to be trimmed. I sowed carrots and beans in rows. The apple tree is in blossom.""",
    "music": """I practised scales on the violin for an hour. Our quartet plays Haydn on Sunday. The concert hall was sold out. I tuned the old piano.
        The conductor wants the second movement slower. I bought new strings for my guitar. We rehearsed the symphony all evening. I am learning a jazz melody by ear.
        My singing teacher praised my high notes. The choir needs more tenors. I wrote a short song in a minor key. The drummer missed the rhythm again.""",
    "cooking": """I made mushroom risotto for six people. The bread dough did not rise. I fried onions and garlic in butter. My soup needs more salt and pepper.
        I baked a chocolate cake for Clara. The stew simmered for three hours. I tried a recipe for spicy lentils. I roasted a chicken with rosemary.
        The pasta sauce burnt in the pan. I pickled cucumbers in vinegar. We ate pancakes with honey for breakfast. I chopped vegetables for the salad.""",
    "running": """I ran ten kilometres before breakfast. My knees hurt after the marathon. I bought new running shoes. My sprint times are getting better.
        The coach made us do intervals on the track. I joined a club for long distance runners. I stretched my muscles after jogging. I finished the race in under two hours.
        Hill training is exhausting. I keep a diary of my pace and heart rate. I sprained my ankle on the trail. The half marathon starts at eight.""",
    "astronomy": """I saw the rings of Saturn through my telescope. The comet is visible after midnight. I photographed the moon last night. The eclipse lasted four minutes.
        Jupiter and Venus stood close together. I looked for the Andromeda galaxy. The sky was too cloudy for stargazing. I counted thirty meteors in an hour.
        The observatory opens its dome on Fridays. I polished the mirror of my telescope. Orion rises late in the evening. I drew a map of the constellations.""",
    "dogs": """My puppy chewed the leash. I took the spaniel to the vet. The dog barked at the postman. I brushed his fur for an hour.
        We walked the dogs on the beach. The terrier learned to fetch a stick. I bought a bigger kennel. My dog is afraid of thunder.
        He wagged his tail when I came home. The vet vaccinated the puppies. I train him to sit and to stay. He buried his bone under the bench.""",
    "novels": """I finished the crime novel in two days. The library has a new shelf of poetry. I love the prose of Saramago. The plot of the book is thin.
        I joined a reading club. My favourite author published a sequel. I read the last chapter twice. I bought three paperbacks at the bookshop.
        The narrator of the story is a liar. I returned the biography to the library. I am reading a Russian classic. The translation of the novel is poor.""",
    "money": """I opened a savings account at the bank. My salary arrived late. The mortgage rate went up. I pay off my loan in June.
        I bought shares of a shipping company. My tax return is overdue. The insurance refused to pay. I plan a budget for each month.
        I transferred the money to my landlord. The interest on my credit card is high. I invested in a pension fund. The accountant checked my invoices.""",
}  # fmt: skip
MEASURED_ON: Final[dict[str, str]] = {
    "sailing": """We sailed around the lighthouse. The mast of the boat needs paint. I tied the rope to the dock. The regatta was called off for want of wind.
        I am learning to steer with the rudder. We anchored in a quiet bay. The sail tore in the storm. My boat lies in the harbour of Cascais.
        The tide was too low to leave port. I bought a life jacket for the crew. We crossed the strait in heavy waves. The skipper read the sea chart.""",
    "work": """I presented the budget to the board. My boss moved the deadline. The meeting with the client took three hours. I wrote the quarterly report.
        Our office is moving to the fourth floor. I interviewed two candidates for the job. The project is behind schedule. My colleague was promoted to manager.
        I answered fifty emails before lunch. The company is hiring engineers. I gave a talk at the sales conference. My contract ends in December.""",
    "painting": """I painted the harbour in watercolour. My brushes need cleaning. The gallery shows three of my pictures. I stretched a new canvas.
        I sketched a portrait of my sister in charcoal. The oil paint dries slowly. I framed the landscape in oak. We visited an exhibition of impressionists.
        I mixed blue and yellow pigments. My easel fell over. The museum bought a drawing of mine. I take a class in figure drawing.""",
    "health": """I had a headache all day. The doctor prescribed antibiotics. My blood pressure is too high. I caught a cold and have a fever.
        The nurse took a blood sample. I am allergic to pollen and sneeze. My back pain is worse in the morning. I got my flu vaccine at the clinic.
        The pharmacy had no cough syrup. The dentist filled two of my teeth. I have trouble falling asleep. The surgeon looked at my shoulder.""",
    "chess": """I lost my queen in the opening. The tournament has seven rounds. I defended with the Sicilian. My bishop was pinned to the king.
        I study endgames with rook and pawn. My opponent resigned after forty moves. I sacrificed a knight for the attack. The grandmaster played twenty boards at once.
        I solve chess puzzles every night. It was checkmate in three moves. My rating rose to seventeen hundred. We drew the game by repetition.""",
    "trains": """I missed the train to Coimbra. The carriage was full of tourists. My ticket was not valid on the express. The platform was changed at the last minute.
        I like the old steam locomotives. The conductor let me sit in first class. The railway station is being rebuilt. We took the night train to Madrid.
        The line to the coast was closed. I build a model railway in the cellar. The metro was delayed by twenty minutes. The journey by rail takes six hours.""",
    "bees": """I inspected the hives in the morning. The bees are gathering nectar from the lime trees. We harvested twelve jars of honey. A swarm settled in the pear tree.
        I replaced the old queen of the colony. A bee stung me through the glove. The beekeepers meet on Tuesday. I melted the wax of the combs.
        Wasps are robbing the hive. I fed the colony sugar syrup. Mites killed two of my colonies. The pollen traps are full.""",
    "knitting": """I knitted a scarf for my nephew. The wool from Iceland is scratchy. I dropped a stitch in the sleeve. My cardigan is finished but for the buttons.
        I bought bamboo needles. The pattern for the socks is hard. I unravelled the whole jumper. I crocheted a blanket for the baby.
        I dyed the yarn with onion skins. The mittens are too small. We knit together on Thursdays. I sewed the sweater together.""",
}  # fmt: skip
ONCE_CHOSEN_ON: Final = """The lift in our building was stuck for an hour. My cousin got a parking fine in Madrid. A neighbour lent me her ladder.
    The post office closes early on Fridays. Somebody left an umbrella at the door. I forgot my password. My passport runs out in June. We had a power cut last night.
    The new mayor gave a speech. I lost one of my gloves. The screen of my phone is cracked. An owl sat on the roof. The plumber came for the tap. I voted in the morning.
    My aunt turned eighty. The laundry shrank my shirt. There was a strike of bus drivers. I went to the hairdresser. It hailed at noon. The cinema shows silent films."""
ONCE_MEASURED_ON: Final = """The heating broke in the hall. My uncle sold his motorbike. I found a coin from Peru. The baker was closed. A cat slept on my car.
    I changed the batteries of the clock. The wifi was down all evening. My niece learned to whistle. The lawyer sent me a letter. I bought a new vacuum cleaner.
    I need a haircut. The landlord raised the rent. Somebody sprayed graffiti on our gate. I signed a petition for the park. My glasses are scratched.
    The circus came to town. A fire alarm woke us up. I watched the football final. There was an earthquake in Japan. My sister dyed her hair."""


def notes(text: str) -> list[str]:
    """The sentences of a text, one a note."""
    return [f"{one.strip()}." for one in " ".join(text.split()).split(".") if one.strip()]


def memories(topics: dict[str, str], once: str, seed: int) -> list[tuple[str, str]]:
    """Notes with their topic ("" for what came up once), in random order."""
    found = [(text, "") for text in notes(once)] + [(text, topic) for topic, texts in topics.items() for text in notes(texts)]
    random.Random(seed).shuffle(found)
    return found


def longer(topics: dict[str, str], once: str, seed: int, repeated: bool) -> list[tuple[str, str]]:
    """The same with two sentences a note: twelve of each topic in which every sentence comes up twice (`repeated`), or six with other sentences each."""
    drawn = random.Random(seed)
    found = [(text, "") for text in notes(once)]
    for topic, texts in topics.items():
        said = notes(texts)
        drawn.shuffle(said)
        pairs = [(n, (n + 5) % 12) for n in range(12)] if repeated else [(n, n + 1) for n in range(0, 12, 2)]
        found += [(f"{said[one]} {said[other]}", topic) for one, other in pairs]
    drawn.shuffle(found)
    return found
