"""Words for what people do for a living: a list, and the endings by which most others are known."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_WORDS: Final = (
    "accountant actor actress analyst apprentice apothecary architect archivist artist astronaut athlete attorney auditor au-pair author baker banker barber barista bartender beekeeper biologist blacksmith "
    "bookseller bricklayer broadcaster broker builder butcher butler buyer captain caretaker caregiver carer carpenter cashier caterer ceo cheesemaker chef chemist choreographer clerk coach cobbler colonel "
    "comedian composer concierge conductor consultant contractor cook copywriter counsellor counselor courier cto curator dancer dean decorator dentist deputy designer detective developer diplomat diver doctor "
    "dramatist dressmaker driver economist editor electrician engineer estate-agent executive farmer farrier firefighter fireman fisherman fitter florist foreman forester freelancer gardener geologist glazier goldsmith "
    "governor grocer guard guide hairdresser handyman head headmaster headteacher housekeeper hygienist illustrator inspector instructor intern interpreter interviewer janitor jeweller journalist judge lawyer lecturer "
    "librarian lifeguard locksmith machinist manager mason masseur mathematician mayor mechanic midwife miller miner minister model musician nanny negotiator notary novelist nurse nutritionist "
    "officer operator optician optometrist painter paralegal paramedic pastor pathologist pharmacist photographer physician physicist physiotherapist physio pilot plasterer plumber podiatrist poet policeman policewoman "
    "politician porter postman postwoman potter president priest principal producer professor programmer psychiatrist psychologist publisher radiographer ranger realtor receptionist recruiter referee reporter "
    "researcher roofer sailor salesman saleswoman salesperson scientist sculptor secretary seamstress sergeant server shepherd shopkeeper singer smith soldier solicitor statistician steward stewardess stuntman "
    "student superintendent supervisor surgeon surveyor tailor tattooist teacher technician technologist therapist tiler trader trainee trainer translator tutor typist undertaker underwriter usher valet vet veterinarian "
    "violinist pianist waiter waitress watchmaker weaver welder writer zoologist assistant attendant director developer strategist planner officer specialist coordinator administrator entrepreneur founder founder "
    "paramedic pediatrician cardiologist dermatologist oncologist neurologist anaesthetist baby-sitter babysitter cleaner dishwasher cabbie trucker streamer youtuber podcaster blogger bodyguard bouncer stylist beautician "
    "rep representative agent hostess host"
).split()
_ENDINGS: Final = (
    "ologist",
    "ographer",
    "ician",
    "smith",
    "keeper",
    "maker",
    "worker",
    "driver",
    "engineer",
    "teacher",
    "trainer",
    "designer",
    "developer",
    "manager",
    "director",
    "writer",
    "officer",
)
_NONE: Final = frozenset({"troublemaker", "peacemaker", "hard-worker", "goalkeeper", "co-worker", "coworker", "backseat-driver"})


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_WORDS)


def is_occupation(word: str) -> bool:
    """Whether a word says what somebody does for a living.

    >>> is_occupation("midwife"), is_occupation("cheesemaker"), is_occupation("fan"), is_occupation("nurses")
    (True, True, False, True)
    """
    low = word.casefold()
    if low in _NONE:
        return False
    one = low.removesuffix("s") if low not in _known() else low
    return one in _known() or one.endswith(_ENDINGS)
