"""The words that time is spoken of with."""

from __future__ import annotations

from typing import Final, Literal

Prefer = Literal["past", "future", "told"]
"""How what has no year of its own is taken: as past unless it is clearly planned, as a plan, or as the tense says."""
Relation = Literal["before", "after", "of", "since"]
"""How a time hangs on an event."""


def _numbered(words: str, first: int = 0) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), first)}


MONTHS: Final = (
    _numbered("january february march april may june july august september october november december", 1)
    | _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)
    | {"sept": 9}
)
SHORT_MONTHS: Final = frozenset("jan feb mar apr jun jul aug sep sept oct nov dec".split())
PLAIN_MONTHS: Final = frozenset("may march mar".split())
"""Months that are also plain words, so that small letters alone do not tell."""
NAMED_MONTHS: Final = frozenset("april may june jan jun august".split())
"""Months that are also names of people."""

WEEKDAYS: Final = (
    _numbered("monday tuesday wednesday thursday friday saturday sunday")
    | _numbered("mon tue wed thu fri sat sun")
    | {"tues": 1, "weds": 2, "thur": 3, "thurs": 3}
)
PLAIN_WEEKDAYS: Final = frozenset("sat sun wed mon fri thu weds".split())
"""Short forms that need a capital letter."""

SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""The month each season begins with, in the north."""

UNITS: Final = {
    "day": "day",
    "days": "day",
    "night": "day",
    "nights": "day",
    "week": "week",
    "weeks": "week",
    "wk": "week",
    "wks": "week",
    "fortnight": "fortnight",
    "fortnights": "fortnight",
    "month": "month",
    "months": "month",
    "mths": "month",
    "quarter": "quarter",
    "quarters": "quarter",
    "year": "year",
    "years": "year",
    "yr": "year",
    "yrs": "year",
    "weekend": "weekend",
    "weekends": "weekend",
}
WEEKS: Final = {"week": 1, "weeks": 1, "fortnight": 2, "fortnights": 2, "wk": 1, "wks": 1}
"""Units of weeks."""
MINUTES: Final = {"hour": 60, "hours": 60, "hrs": 60, "hr": 60, "minute": 1, "minutes": 1, "mins": 1, "min": 1}
"""Units below a day, in minutes."""

NUMBERS: Final = (
    _numbered("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen", 1)
    | _numbered("seventeen eighteen nineteen", 17)
    | {word: 10 * tens for word, tens in _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 2).items()}
)
ORDINALS: Final = (
    _numbered("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth", 1)
    | _numbered("fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth", 14)
    | {"thirtieth": 30}
)
DECADES: Final = {
    word: 1930 + 10 * place for place, word in enumerate("thirties forties fifties sixties seventies eighties nineties".split())
} | {"noughties": 2000}

HOLIDAY_STARTS: Final = frozenset(
    """all april armistice ascension ash bastille black bonfire boxing burns christmas columbus cyber easter epiphany good guy
    halloween hallowe independence juneteenth labor leap martin maundy may memorial mlk new nye palm pancake pentecost presidents
    shrove st thanksgiving valentine valentines veterans whit xmas""".split()
)
"""First words of holidays."""
DAY_PARTS: Final = frozenset("morning afternoon evening night lunchtime noon midday".split())
RELATIVE: Final = {"yesterday": -1, "today": 0, "tonight": 0, "tomorrow": 1, "tmrw": 1}
PARTS: Final = {
    "early": 0,
    "beginning": 0,
    "start": 0,
    "mid": 1,
    "middle": 1,
    "late": 2,
    "end": 2,
}
"""Thirds of a month, a year, a season or a decade."""

PRONOUNS: Final = frozenset("i we you he she it they everyone everybody nobody someone somebody who there this that".split())
POSSESSIVES: Final = frozenset("my your his her its our their whose".split())
OPEN: Final = frozenset("before until till til by after than".split())
"""Words that make the stretch behind them a bound, not the time that is meant."""
INDEFINITE: Final = frozenset(
    """a an any each every some one another no many most all both few several other same that those these typical average only
    ordinary normal""".split()
)
"""Words that speak of one of many, or of all of them, never of a day that could be named."""
FOLLOWERS: Final = frozenset(
    """i we you he she it they me us him them everyone everybody nobody someone somebody who whom whose what which when where why
    how that this there here am is are was were be been do does did don didn doesn has have had hasn haven hadn isn wasn weren can
    could will would shall should may might must won wouldn couldn and or but so because as if than then with without at in on for
    from to by of about over under near after before during until till since the a an my your his her its our their
    all both no not never always just only still again already even also too almost nearly maybe perhaps please last next
    yesterday today tomorrow tonight morning afternoon evening night noon midday one two three four five six seven eight nine ten
    some any mum mom dad grandma grandpa granny people together instead while though although unless except onwards ago
    whether got went came made took gave saw met let lets""".split()
)
"""Words that may follow an expression of time without taking it for a part of a name or of a longer word."""
COUNTED: Final = frozenset(
    """people persons person men women children kids students guests fans soldiers pieces parts words pages lines items copies
    units dollars dollar euros euro pounds bucks cents pence yen francs percent steps calories kcal metres meters metre meter feet
    foot inches miles mile km m kg kilos grams tons tonnes litres liters watts square years year months month weeks week days day
    hours hour minutes seconds times points votes seats rooms houses books games cases cells tickets employees members
    followers views likes characters tokens rows records files of""".split()
)
"""What follows a number that counts things."""
NUMBERED: Final = frozenset(
    """version versions v ver build release firmware patch model page pages p pp chapter section line verse item room number
    no nr code pin order ticket flight bus extension ext ref reference serial part id isbn figure fig table equation step rule article appendix example""".split()
)
"""What stands before a number that is a name."""
