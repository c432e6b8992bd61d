"""Reading claims out of what somebody says: whom each clause is about, what rule it fits, from when it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from lamina.expressions import find_ranges
from lamina.records import Item
from lamina.semantic.facts.appointments import bare_time, read_event
from lamina.semantic.facts.claims import APPOINTMENT, Act, Claim, same_value, value_key
from lamina.semantic.facts.clauses import Clause, clauses
from lamina.semantic.facts.rules import Rule, compiled, job_value, without_adverbs
from lamina.semantic.facts.subjects import About, about, mentioned, named, strip_lead
from lamina.semantic.facts.tastes import read_favourite, read_liking

NOBODY: Final = "user"
"""The subject of what is said in the first person where no speaker is known."""
_PEOPLE: Final = (None, "user", "human")


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        "trigger": re.compile(
            r"\b(?:I|I'm|I’m|we|we're|we’re|my|our|is|are|was|has|have|lives?|works?|moved|joined|left|got|been|at|isn't|'s|’s|meant|mean|not|no|started|sold|off|me|us|it|he|she|they|let|married|retired|cancelled|comes|leaves|meets|first|oops|whoops|sorry|wait|actually|correction|typo)\b", re.I),
        "negated": re.compile(r"^(?P<verb>am|is|are|do|does|did|have|has|was|were|will)? ?(?:not|never)(?: (?:a|an) (?=real))? (?P<rest>.+)$"),
        "over": re.compile(r"\b(?:any more|any longer|no longer)\b"),
        "no longer": re.compile(r"^(?P<verb>am|is|are|have|has)? ?no longer (?P<rest>.+)$"),
        "since": re.compile(r"\b(?:since|as of|from)\b.*$", re.I),
        "subjectless": re.compile(
            r"^(?:not |no longer )?(?:have |am |now |just |also |then |still )*(?:joined|moved|living|live|became|become|signed|started|start|quit|got|work|works|working|went|employed|took|left|married|sold|been|handed|gone back|back"
            r"|switched|relocated|turned|study|studying|lives|returned)\b", re.I),
        "meant": re.compile(r"^(?:actually |sorry |no |wait |that is |oops |whoops |well )*(?:i meant|i mean|should have said|i should have said|make that|correction)\s+(?:to say )?(?P<v>.+)$", re.I),
        "not but": re.compile(r"^not (?:a |an |the )?(?P<old>[\w -]+)$", re.I),
        "number": re.compile(r"^(?:it is |i am |make that )?(?P<v>\d{1,3})$", re.I),
        "job taken back": re.compile(r"^(?:did not|do not|have not|never) (?:take|get|accept|taken|got|accepted|took) (?:the|that) (?:job|offer|position)\b.*$"),
        "fell": re.compile(r"^(?:the )?(?P<v>[A-ZÀ-Þ][\w' &-]*?) (?:fell through|did not work out|is not happening|is off)\b"),
        "let go": re.compile(r"^(?P<v>[A-ZÀ-Þ][\w' &-]*?) (?:let (?P<who>me|him|her|us) go|went bust|went bankrupt|closed down|fired me|laid me off|sacked me)\b"),
        "first": re.compile(r"\b[Ff]irst (?:day|week|two weeks|weeks|month|shift) (?:at (?P<e>[A-ZÀ-Þ][\w'&-]*(?: [A-ZÀ-Þ][\w'&-]*)*)|as (?:an? |the )?(?P<j>[a-z][\w-]*(?: [a-z][\w-]*){0,2}))"),
        "made": re.compile(r"\b(?:promoted|made|appointed|named|hired) (?P<who>me|us|him|her) (?:to (?:be )?|as )?(?:an? |the )?(?P<j>[a-z][\w-]*(?: [a-z][\w-]*){0,3})"),
        "home": re.compile(r"^[Hh]ome is (?:now )?(?P<v>[A-ZÀ-ÞĀ-Ž][\w'-]*(?: [A-ZÀ-ÞĀ-Ž][\w'-]*)*)\b"),
        "aside": re.compile(r"^an? (?:proper |real |full-time |professional )?(?P<j>[a-z][\w-]*(?: [a-z][\w-]*){0,2})$"),
        "found": re.compile(r"^(?:have )?(?:have|found|got|landed)\b.*\bjob$"),
        "engagement": re.compile(r"\b(?:broke off|called off|ended) the engagement\b"),
        "quit": re.compile(r"\b(?:left|quit|leaving|handed in)\b"),
        "marked": re.compile(r"\b(?:currently|these days|nowadays|(?<!right )now)\b"),
        "there": re.compile(r"\b(?:in|to) ([A-ZÀ-ÞĀ-Ž][\w'-]*(?: [A-ZÀ-ÞĀ-Ž][\w'-]*)*)"),
    }  # fmt: skip


def readable(trace: Item) -> bool:
    """Whether a trace is a person's own word: no event, no echo, no answer of a model, not what was told of entities."""
    told = trace.session is not None and trace.session.startswith("entity/")
    return trace.kind == "trace" and trace.role in _PEOPLE and not trace.data.get("echo") and not told


def worth_reading(trace: Item) -> bool:
    """Whether a trace can say anything that is read: a quick look before it is."""
    return readable(trace) and _patterns()["trigger"].search(trace.text) is not None


def _marked(rest: str) -> bool:
    """Whether a predicate says that it holds now: "I'm at Tesco now" is more than a visit."""
    return _patterns()["marked"].search(rest) is not None and not rest.rstrip(".").endswith(
        ("station", "airport", "hotel", "beach", "park", "home")
    )


class Reader:
    """Reads one trace; `said` gives the claims of its session before it, when they are asked for."""

    def __init__(self, trace: Item, said: Callable[[], list[Claim]]) -> None:
        self.trace, self.said = trace, said
        self.speaker = trace.speaker or NOBODY
        self.last: str | None = None
        self.found: list[Claim] = []

    def claims(self) -> list[Claim]:
        """All claims of the trace; one that is made twice counts once."""
        subject: About | None = None
        sentence = ""
        for clause in clauses(self.trace.text):
            if clause.sentence != sentence:
                sentence, subject = clause.sentence, None
            who = about(clause.text, self.speaker, self.last)
            if (
                who is None
                and (clause.first or subject is not None)
                and _patterns()["subjectless"].match(strip_lead(clause.text))
            ):
                who = subject or About(self.speaker, "", True)
                rest = strip_lead(clause.text)
                who = replace(who, rest=rest[0].lower() + rest[1:], possessive=False)
            count = len(self.found)
            self._read(clause, who, subject)
            if who is not None:
                subject = who
                if not who.own:
                    self.last = who.subject
            if len(self.found) == count and self.last is None:
                self.last = self._person(clause)
        return list({(one.group, one.key, one.act, one.subject): one for one in self.found}.values())

    def _person(self, clause: Clause) -> str | None:
        name = mentioned(clause.text)
        return None if name in (None, self.speaker) else named(str(name), self.speaker)

    def _read(self, clause: Clause, who: About | None, before: About | None) -> None:
        event = read_event(clause.text, self.speaker)
        if event is not None:
            own = event.owner == self.speaker
            self._add(
                clause,
                event.owner,
                f"{APPOINTMENT} {event.what}",
                event.time,
                event.act,
                own=own,
                change=event.change,
                fixes=clause.fixes and not event.change,
            )
            return
        if self._named(clause, before):
            return
        favourite = read_favourite(clause)
        if favourite is not None:
            subject = about(favourite.owner + " x", self.speaker, self.last) if favourite.owner else None
            if subject is not None:
                self._add(clause, subject.subject, f"favourite {favourite.what}", favourite.value, favourite.act, own=subject.own)
                return
        if who is not None and self._predicate(clause, who):
            return
        self._context(clause)

    # ------------------------------------------------------------------------------------------------ predicates
    def _predicate(self, clause: Clause, who: About) -> bool:
        patterns = _patterns()
        raw = who.rest
        if patterns["job taken back"].match(raw):
            for attribute in ("employer", "job"):
                self._add(clause, who.subject, attribute, "", "never", own=who.own)
            return True
        if patterns["engagement"].search(raw):
            self._add(clause, who.subject, "relationship", "single", own=who.own)
            return True
        rest = without_adverbs(raw)
        act, rest = self._polarity(clause, rest)
        if act is None:
            return True
        rest = self._with_place(clause, rest)
        if _marked(raw) and rest.startswith(("am at ", "is at ", "are at ", "have been at ")):
            rest = rest.replace(" at ", " employed at ", 1)
        if " back to " in rest and patterns["quit"].search(clause.before):
            rest = re.sub(r"^(?:have |has )?(?:went|gone|go|going) back to ", "joined ", rest)
        done: set[str] = set()
        for rule, pattern in compiled():
            if rule.possessive != who.possessive or rule.attribute in done:
                continue
            match = pattern.match(rest)
            if match is not None and self._fits(clause, who, rule, match, act):
                done.add(rule.attribute)
        if not who.possessive and not done:
            liking = read_liking(rest, who.own or raw.startswith(("do not", "does not")))
            if liking is not None:
                what, likes = liking
                likes = likes if act == "holds" else not likes
                self._add(clause, who.subject, f"likes {what}", "yes" if likes else "no", own=who.own)
                return True
        if not done and patterns["found"].match(rest) and ":" in self.trace.text:
            self._after_colon(clause, who)
        return bool(done)

    def _polarity(self, clause: Clause, rest: str) -> tuple[Act | None, str]:
        """What a predicate does with its value, and the predicate without its negation."""
        patterns = _patterns()
        if found := patterns["no longer"].match(rest):
            return "ends", f"{found['verb'] or ''} {found['rest']}".strip()
        found = patterns["negated"].match(rest)
        if found is None:
            return "holds", rest
        over = patterns["over"].search(rest) is not None
        inner = patterns["over"].sub("", found["rest"]).strip(" ,")
        verb = found["verb"] or ""
        inner = inner if verb in ("do", "does", "did", "") else f"{verb} {inner}"
        if over:
            return "ends", inner
        return ("never" if clause.fixes or verb in ("did", "have", "has") or "never" in rest else "ends"), inner

    def _with_place(self, clause: Clause, rest: str) -> str:
        """A predicate in which "there" is the place that was named before it in the sentence."""
        if re.search(r"\b(?:live|lives|living|moved) there\b", rest):
            found = _patterns()["there"].findall(clause.before)
            if found:
                joint = "to" if "moved there" in rest else "in"
                return rest.replace("there", f"{joint} {found[-1]}", 1)
        return rest

    def _fits(self, clause: Clause, who: About, rule: Rule, match: re.Match[str], act: Act) -> bool:
        groups = match.groupdict()
        value = rule.value or groups.get("v") or groups.get("w") or ""
        attribute = rule.attribute
        if attribute.endswith("*"):
            attribute = attribute.replace("*", groups["a"])
        if attribute == "job":
            value = value if rule.value or rule.pattern.endswith(r"\b.*$") else job_value(value, rule.occupation)
        if attribute == "city" and re.match(
            r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:Jan|Febr)uary|March|April|May|June|July|August|(?:Septem|Octo|Novem|Decem)ber",
            value,
        ):
            return False
        if attribute == "age" and not (
            who.own or "'s " in who.subject or who.subject == self.last or "years" in match[0] or "turned" in match[0]
        ):
            return False  # "Hardness is 82"
        if attribute.startswith("favourite"):
            value = value.strip(" .")
        if not value:
            return False
        start = self._start(clause, rule.event, rule.plan)
        if rule.plan and (start is None or start <= self.trace.at):
            return clause.fixes  # a plan without a day says nothing of what holds
        if rule.act != "holds":
            if act != "holds":
                act = "holds" if rule.act == "never" else "never"
                if attribute in ("employer", "city", "job") and act == "never":
                    return True
            else:
                act = rule.act
        if rule.act == "ends" and attribute in ("city", "employer", "school") and act == "ends":
            for one in ("city", "employer", "school"):
                self._add(clause, who.subject, one, value, "ends", start=start, own=who.own)
            return True
        self._add(clause, who.subject, attribute, value, act, start=start, own=who.own)
        return True

    def _after_colon(self, clause: Clause, who: About) -> None:
        found = re.search(r":\s*(?:an? )?([a-z][\w -]*)", self.trace.text)
        value = job_value(found[1], True) if found is not None else ""
        if value:
            self._add(clause, who.subject, "job", value, own=who.own)

    def _start(self, clause: Clause, event: bool, plan: bool = False) -> int | None:
        """From when a clause says that something holds; None where it does not say."""
        text = clause.text
        if not event:
            since = _patterns()["since"].search(text)
            if since is None:
                return None
            text = f"I have been here {since[0]}" if since[0].casefold().startswith("since") else text
        times = find_ranges(text, self.trace.at, "told" if plan else "past", self.trace.offset)
        return times[0].start if times else None

    # ------------------------------------------------------------------------------------------- values by name
    def _named(self, clause: Clause, subject_before: About | None) -> bool:
        """What names a value without its attribute: "Madrid fell through", "Kestrel let me go", "first week at Lotus Bank"."""
        patterns = _patterns()
        text = strip_lead(clause.text)
        if found := patterns["fell"].match(text):
            for attribute in ("city", "employer", "school", "job"):
                self._add(clause, self.speaker, attribute, found["v"], "never")
            return True
        if found := patterns["let go"].match(text):
            self._add(clause, self.speaker, "employer", found["v"], "ends")
            return True
        if found := patterns["home"].match(text):
            self._add(clause, self.speaker, "city", found["v"], start=self._start(clause, False))
            return True
        if found := patterns["made"].search(text):
            subject = self.speaker if found["who"] in ("me", "us") else self.last
            value = job_value(found["j"], True)
            if subject is not None and value:
                self._add(clause, subject, "job", value, start=self._start(clause, True))
            return value != ""
        if (found := patterns["aside"].match(text)) and subject_before is not None and job_value(found["j"], True) == found["j"]:
            self._add(clause, subject_before.subject, "job", found["j"], own=subject_before.own)
            return True
        if found := patterns["first"].search(text):
            if found["e"]:
                self._add(clause, self.speaker, "employer", found["e"])
            elif job_value(found["j"], True):
                self._add(clause, self.speaker, "job", job_value(found["j"], True))
            return True
        return False

    # ------------------------------------------------------------------------------------------------- context
    def _context(self, clause: Clause) -> None:
        """What makes sense only after what was said before: "no, it's Tuesday", "actually I meant teal", "oops, 35"."""
        if not clause.fixes:
            return
        patterns = _patterns()
        earlier = [one for one in (*self.said(), *self.found) if one.act == "holds"]
        time = bare_time(clause.text)
        if time is not None:
            before = next((one for one in reversed(earlier) if one.attribute.startswith(APPOINTMENT)), None)
            if before is not None:
                self.found.append(replace(before, trace=self.trace, value=time, fixes=True, start=None, change=False))
                return
        number = patterns["number"].match(strip_lead(clause.text))
        if number is not None:
            before = next((one for one in reversed(earlier) if one.attribute == "age"), None)
            if before is not None:
                self.found.append(replace(before, trace=self.trace, value=number["v"], fixes=True, start=None))
                return
        meant = patterns["meant"].match(clause.text)
        mine = [
            one
            for one in earlier
            if one.trace.speaker == self.trace.speaker and not one.attribute.startswith((APPOINTMENT, "likes"))
        ]
        if meant is not None and mine and len(meant["v"].split()) <= 4:
            self._replace(mine, meant["v"], clause)

    def _replace(self, mine: Sequence[Claim], words: str, clause: Clause) -> None:
        """Put other words in the place of the value of the speaker's last claim, or of the one that "not …" before it names."""
        old = re.search(r"\bnot (?:a |an |the )?([\w -]+)$", clause.before, re.I)
        target = mine[-1]
        if old is not None:
            named = [one for one in mine if same_value(one.key, value_key(old[1]))]
            if not named:
                return
            target = named[-1]
        value = re.sub(r"^(?:an?|the) ", "", words.strip(" ."))
        if target.attribute == "job" and not job_value(value, True):
            return
        if target.attribute in ("city", "employer", "school", "name", "boss", "car") and not value[:1].isupper():
            return
        self.found.append(replace(target, trace=self.trace, value=value, fixes=True, start=None, change=False))

    def _add(
        self, clause: Clause, subject: str, attribute: str, value: str, act: Act = "holds", *, start: int | None = None, own: bool | None = None,
        change: bool | None = None, fixes: bool | None = None,
    ) -> None:  # fmt: skip
        planned = start is not None and start > self.trace.at
        new = clause.new if change is None else change
        fix = (clause.fixes and not new) if fixes is None else fixes
        self.found.append(
            Claim(
                self.trace,
                subject,
                attribute,
                value.strip(" ,.!"),
                act,
                start,
                subject == self.speaker if own is None else own,
                clause.hedged,
                planned,
                fix,
                new,
            )
        )
