"""The write gate: what is no memory (boilerplate, status noise, prompts, repetitions) is told from what is, by rules that need no model.

By default nothing is judged. A gate in the mode "mark" stores what it takes for junk and hides it: it is neither recalled nor derived from, says in its data which
rule spoke (`gate`), and `restore` brings it back. In the mode "refuse" it is not stored. Whatever carries pictures or tool calls is kept.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lamina.errors import ConfigError
from lamina.keeping.messages import Draft
from lamina.text import RECALLED_CLOSE, RECALLED_OPEN, LazyPattern
from lamina.words import words

Mode = Literal["mark", "refuse"]

DOCUMENT: Final = "document"
"""The field of metadata that, beside `searchable`, names what was put under a name on purpose: it is not judged."""
ENTRY: Final = "entry"
"""The field of metadata that holds an entry of a log which must be given back as it was: at most hidden, never refused."""
LONG_REPEAT: Final = 8
"""Words from which on a text that one speaker says again is a repetition; shorter ones are said again by chance."""
SERIES: Final = 3
"""How many lines of a program that differ in their numbers alone are kept in a session before the rest is a series."""
BLOB: Final = 120
"""Characters of base64 or hexadecimal digits in a row that no person writes."""
MOST_TOLD: Final = 40
"""Words beyond which a text is no courtesy and no heartbeat, however it begins."""

_COURTESY = LazyPattern(
    r"(?:(?:many |so |oh |ah |great |perfect |cool |awesome )*(?:thanks?(?: you)?(?: a lot| so much| very much| again| a million| for (?:the|your) help)*|that'?s (?:very |so |really )?(?:kind|nice|sweet|lovely)(?: of you)?|thx|ty|cheers|gracias|merci|danke|"
    r"hi|hello|hey|hiya|howdy|good (?:morning|evening|afternoon|night)|bye(?: bye)?|goodbye|see you(?: later| soon)?|welcome back|"
    r"(?:you'?re|you are) (?:very |most )?welcome|no problem|no worries|my pleasure|anytime|lo+l|lmao|rofl|ha(?:ha)+|hm+|uh+|um+|wow|"
    r"nice|cool|awesome|great|amazing|interesting|have a (?:nice|good|great|lovely) (?:day|evening|weekend|one)|take care)"
    r"(?: (?:there|everyone|all|again|then|friend|assistant|buddy|mate|so much|and|too|for now|hey|ty|guys|folks))*)"
)
_ASSENT = LazyPattern(
    r"(?:ok(?:ay)?|k|kk|alright|all right|got it|understood|noted|i see|makes sense|sounds (?:good|great)|will do|on it|roger(?: that)?|right|done|perfect|fine|copy that|gotcha|fair enough|okey dokey|sure thing|understood|cool|"
    r"(?:ok(?:ay)?|alright) (?:got it|great|cool|then|understood)|of course|certainly|absolutely|will do)"
)
_THUMBS = LazyPattern(r"[\s\U0001F300-\U0001FAFF\u2600-\u27BF\uFE0F\u200D\U0001F3FB-\U0001F3FF]+")
_BOILERPLATE = LazyPattern(
    r"(?:what (?:would|do) you (?:like|want|need) (?:to (?:talk|chat|know|do|discuss)|help|me to)\b.*|(?:unfortunately |regrettably )?i(?:'?m| am) (?:not able|unable) to\b.*|"
    r"i(?:'?m| am) (?:afraid|sorry)\b.*\b(?:beyond|outside|not (?:able|possible|something))\b.*|let'?s (?:dive in|get started|begin|take a look|break (?:it|this) down)|i (?:do not|don'?t|cannot|can'?t) (?:have )?(?:access|browse|provide|recall)\b.*|"
    r"please (?:provide|share|give|tell me)\b.*(?:more|details|information|context)\b.*|if you (?:need|have|want|would like|'?d like)\b.*(?:just|let|ask|feel|here|help|questions?)\b.*|i (?:completely |totally )?understand (?:your|that|how)\b.*|"
    r"how (?:can|may|could) i (?:help|assist|be of (?:help|service|assistance))\b.*|what can i (?:do|help|assist)\b.*(?:today|for you|with)\b.*|"
    r"(?:is there|do you have|did you have|have you) (?:anything|something|any(?:thing)? (?:other |more )?(?:questions?|else))\b.*|anything else (?:i can|you)\b.*|"
    r"(?:please )?(?:let me know|feel free|don'?t hesitate|do not hesitate)\b.*\b(?:help|questions?|assist\w*|know|ask|need|reach|anything|something|else|more)\b.*|"
    r"(?:i(?:'?m| am) (?:just )?)?(?:as )?an? (?:ai|artificial intelligence|large language|language)\b.*(?:i (?:can ?not|can'?t|do not|don'?t|am|have no|am not)|model|assistant|created|trained)\b.*|"
    r"i(?:'?m| am) (?:so |very |really )?(?:sorry|afraid)\b.*(?:can'?t|cannot|can not|unable|not able|inconvenience|confusion|misunderstanding)\b.*|"
    r"(?:i )?(?:apologi[sz]e|my apologies|sorry)(?: again)? for (?:the|any)\b.*|i (?:can'?t|cannot|am unable to|am not able to|won'?t) (?:help|assist|comply|fulfil|discuss|provide)\b.*|"
    r"(?:i(?:'?m| am) )?(?:always )?(?:here|happy|glad|ready|delighted) (?:to|and ready to|if you)\b.{0,20}(?:help|assist|need)\b.*|i hope (?:this|that) (?:helps|message|email)\b.*|"
    r"(?:that'?s|what) an? (?:great|good|excellent|wonderful|fascinating|interesting) (?:question|point)|(?:great|good|excellent) question|"
    r"(?:sure|certainly|absolutely|of course)(?: thing)?|i(?:'?d| would) be (?:happy|glad|delighted) to (?:help|assist)\b.*|(?:thank you|thanks) for (?:asking|reaching|contacting|your (?:message|question|patience|understanding))\b.*|"
    r"i don'?t have (?:personal )?(?:feelings|opinions|emotions|access to (?:real|personal))\b.*|(?:hello|hi|hey)(?: there)?|welcome(?: back)?|you(?:'re| are) (?:very )?welcome)"
)
_PROMPT = LazyPattern(
    r"(?:act as\b|(?:you will |please )?(?:act|behave|pretend) (?:as|like)\b|(?:the|this) (?:user|bot|agent|model|assistant|human) (?:is|should|must|will|may|can|has)\b|avoid \w+|(?:output|return|reply|answer|write|say) nothing\b|"
    r"(?:tools?|functions?) (?:available|you can use)\b|(?:assistant|agent|model|bot|response|safety|style|answer) (?:guidelines|instructions|rules|policy|prompt)\b|refuse\b|stop when\b|when in doubt\b|stay (?:on topic|in character)\b|"
    r"call (?:one|a|no|each|the) (?:tool|function)\b|(?:do not|don'?t) [a-z]+\b|(?:never|always) [a-z]+\b|at most \d+ (?:words|sentences|items|lines|tokens)\b|system you\b|/?system$|ask when\b|you(?:'re| are) (?:an? |the )?(?:\w+ ){0,4}(?:assistant|agent|ai|bot|chatbot|model|expert|copilot|tutor|coordinator)\b|(?:your|the assistant'?s) (?:task|job|role|goal|purpose|instructions?) (?:is|are)\b|"
    r"(?:always|never|do not|don'?t|must|only|please only) (?:answer|respond|reply|reveal|mention|share|use|call|invent|make up|ask|follow|be|disclose|output|provide|begin|store|cite|return|speak|say|include|break)\b|"
    r"you (?:must|should|have access|can use|may use|will be given|will receive|are given|are provided|have been|are required)\b|"
    r"(?:respond|answer|reply|output|return)\b.* (?:json|markdown|format|only|concise\w*|language|words|sentences|schema)\b|if (?:the user|you (?:are unsure|do not know|don'?t know|are asked|cannot))\b|"
    r"(?:the )?(?:following|available) (?:tools|functions|instructions|rules)\b|(?:use|call) the (?:following )?(?:\w+ )?(?:tool|function)s?\b|"
    r"(?:system|developer) (?:prompt|message|instructions?)\b|be (?:concise|helpful|polite|honest|friendly|brief)\b|knowledge cut ?off\b|current date\b|follow (?:these|the) (?:rules|instructions|guidelines|steps)\b|"
    r"(?:the assistant|assistant) (?:is|must|should|has|will)\b|the (?:system|agent|assistant) (?:was|is) (?:instructed|configured|told|asked)\b|(?:think|work) step by step\b|"
    r"(?:keep|make) (?:your |all )?(?:answers|responses|replies)\b|guidelines\b|rules\b|instructions\b|tone\b)"
)
_MODEL = LazyPattern(
    r"(?i)\b(?:assistant|agent|a\.?i\.?|(?:chat)?bot|language model|copilot|the user|tools?|json|markdown|(?:system|developer) (?:prompt|message)|prompt|instructions|guidelines|respond|responses?|output|"
    r"concise(?:ly)?|act as|expert|support)\b"
)
"""Words of which a prompt has one: it speaks to a model. Advice between people has none."""
_SIGNS: Final = frozenset(
    "heartbeat keepalive ping pong health healthcheck status alive liveness readiness uptime idle poll polling cron tick watchdog scheduler still running waiting session connection connected "
    "connecting reconnected reconnecting typing loading thinking processing synced sync ready online standby sleeping loop daemon monitor inbox".split()
)
"""Words of which a sign of life has one at least, unless it says that there is nothing."""
_NOTHING: Final = frozenset("no nothing none 0".split())
_FILLERS: Final = frozenset(
    "ok okay passed pass good normal fine complete completed done started resumed ended closed open agent memory system systems service bot worker process queue all is are the a an to for on in of at since up and "
    "new messages message events event mail items tasks task notifications changes updates action needed required detected found checked pending do report input response next now still everything "
    "heart beat keep check checks seconds second s ms min minutes hours h d true healthy active waiting this time check".split()
)
_STEPS: Final = frozenset(
    "downloading download uploading upload indexing building build fetching objects copied copying files file epoch step loss progress eta of it s kb mb gb kib mib gib b batch batches items lines "
    "processing processed done remaining left elapsed training installing extracting unpacking writing reading embedding resolving deltas receiving chunks pages rows examples".split()
)
_BAR = LazyPattern(r"[█▓▒░▏▎▍▌▋▊▉■□━╸⣿⠿#=\->.·]{6,}")
_PROGRESS = LazyPattern(
    r"\d{1,3}(?:\.\d+)?\s?%|\d[\d.,]*\s?[kmgt]?i?b?\s?/\s?\d[\d.,]*\s?[kmgt]?i?b?\b|\beta\b|it/s|[kmg]i?b/s", re.I
)
_BLOB = LazyPattern(rf"(?:[A-Za-z0-9+/_-]{{{BLOB},}}={{0,2}}|(?:[0-9a-fA-F]{{2}}[\s:]?){{{BLOB // 2},}})")
_WRAPPED = LazyPattern(r"(?:^[A-Za-z0-9+/=]{60,80}\s*$\n?){2,}", re.M)
_TAG = LazyPattern(
    r"<(?:/?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?|!--.*?--|!DOCTYPE[^>]*)>|[.#]?[\w\s.#:>,*-]{1,60}\{[^{}]*:[^{}]*;?\s*\}", re.S
)
_LOG = LazyPattern(
    r"\s*(?:[\[(]?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|[\[(]?\d\d:\d\d:\d\d|[A-Z][a-z]{2}\s+\d{1,2} \d\d:\d\d:\d\d|[\[(<]?(?:DEBUG|INFO|WARN(?:ING)?|ERROR|TRACE|FATAL|NOTICE)\b|\d{1,3}(?:\.\d{1,3}){3} \S+ \S+ \[|"
    r"level=|ts=|time=|npm (?:warn|notice|info)|(?:get|post|put|delete|head) /\S* )", re.I
)  # fmt: skip
_TELLING = LazyPattern(r"\d|(?<![.!?:;]\s)(?<!^)(?<![\w'’-])(?!AI\b|I\b|I['’])[A-Z][\w-]+", re.M)
_SENTENCES = LazyPattern(r"(?<=[.!?:;])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Before:
    """What a gate knows of the session when a message comes: the text before it, if it saw it."""

    text: str | None = None


def _plain(text: str) -> str:
    """A text as the rules read it: lower case, straight apostrophes, no marks of lists and headings, single spaces."""
    text = text.lower().replace("’", "'").replace("*", "").replace("_", " ")
    return " ".join(re.sub(r"[^\w\s'%/]+", " ", text).split())


def _parts(text: str) -> list[str]:
    return [plain for part in _SENTENCES.split(text) if (plain := _plain(part))]


def _blank(draft: Draft, before: Before) -> bool:
    """Nothing but punctuation: no letter, digit or picture sign."""
    return not any(sign.isalnum() or ord(sign) >= 0x2190 for sign in draft.text)


def _courtesy(draft: Draft, before: Before) -> bool:
    """Greetings, thanks and exclamations alone."""
    parts = [_plain(part) for part in re.split(r"[.!?,;:\n—–-]+", draft.text)]
    return any(parts) and all(not part or _COURTESY.fullmatch(part) for part in parts) and len(draft.text.split()) <= MOST_TOLD


def _assent(draft: Draft, before: Before) -> bool:
    """ "Ok", "got it" or a thumb that is known to follow no question: after one it is an answer. A plain yes or no is always kept."""
    if before.text is None or "?" in before.text:
        return False
    parts = [_plain(part) for part in re.split(r"[.!?,;:\n—–-]+", draft.text)]
    spoken = [part for part in parts if part]
    if not spoken:
        return _THUMBS.fullmatch(draft.text) is not None
    return any(_ASSENT.fullmatch(part) for part in spoken) and all(
        _ASSENT.fullmatch(part) or _COURTESY.fullmatch(part) for part in spoken
    )


def _boilerplate(draft: Draft, before: Before) -> bool:
    """What assistants say whatever the question was: every sentence offers help, refuses, or says what it is, and no number or name is in it."""
    if draft.role in (None, "user", "tool"):
        return False
    if _TELLING.search(draft.text):
        return False
    parts = _parts(draft.text)
    return bool(parts) and all(_BOILERPLATE.fullmatch(part) or _COURTESY.fullmatch(part) for part in parts)


def _prompt(draft: Draft, before: Before) -> bool:
    """Instructions to a model: what the system says of how to answer, and restatements of that. Of a person it takes more of them."""
    parts = _parts(draft.text)
    told = sum(
        1 for part in parts if _PROMPT.match(part) or (draft.role in ("system", "developer") and _PROMPT.search(part[:80]))
    )
    if not told:
        return False
    if draft.role in ("system", "developer"):
        return told / len(parts) >= 0.3
    if not _MODEL.search(draft.text):
        return False
    least = 3 if draft.role in (None, "user") else 2
    return told >= least and told / len(parts) >= 0.5


def _heartbeat(draft: Draft, before: Before) -> bool:
    """Signs of life of programs: a short line, not of a person, all of whose words are of that kind; one name or thing in it, and it is kept."""
    if draft.role in (None, "user") or len(draft.text.split()) > 12:
        return False
    spoken = re.findall(r"[a-z]+|\b0\b", draft.text.lower().replace("_", " "))
    said = set(spoken)
    telling = said - _SIGNS - _FILLERS - _NOTHING
    return not telling and bool(said & _SIGNS or (said & _NOTHING and said & _FILLERS))


def _progress(draft: Draft, before: Before) -> bool:
    """Progress bars and counters: most lines have a bar or a rate, and no words but those of progress."""
    lines = [line for line in re.split(r"[\r\n]+", draft.text) if line.strip()]
    if draft.role in (None, "user") and not _BAR.search(draft.text):
        return False
    return bool(lines) and sum(_is_step(line) for line in lines) > 0.6 * len(lines)


def _is_step(line: str) -> bool:
    said = set(re.findall(r"[a-z]+", line.lower()))
    return (_PROGRESS.search(line) or re.search(r"\d+ of \d+", line)) is not None and (
        said <= _STEPS or (_BAR.search(line) is not None and len(said - _STEPS) <= 2)
    )


def _blob(draft: Draft, before: Before) -> bool:
    """Base64 or hexadecimal digits make up most of it."""
    taken = sum(len(found[0]) for found in _BLOB.finditer(draft.text)) or sum(
        len(found[0]) for found in _WRAPPED.finditer(draft.text)
    )
    return taken >= 0.6 * len(draft.text)


def _markup(draft: Draft, before: Before) -> bool:
    """Tags and style sheets make up half of a text of some length; not where somebody asks about it."""
    if len(draft.text) < 150 or (draft.role in (None, "user") and "?" in draft.text):
        return False
    return sum(len(found[0]) for found in _TAG.finditer(draft.text)) >= 0.5 * len(draft.text)


def _log(draft: Draft, before: Before) -> bool:
    """Four lines or more of a log and little else. Stack traces are kept: they are what a developer asks for later."""
    lines = [line for line in draft.text.splitlines() if line.strip()]
    if len(lines) < 4 or (draft.role in (None, "user") and any(line.rstrip().endswith("?") for line in lines)):
        return False
    if any(re.search(r"traceback|exception|error|fatal", line, re.I) for line in lines):
        return False
    return sum(_LOG.match(line) is not None for line in lines) >= 0.8 * len(lines)


Rule = Callable[[Draft, Before], bool]
RULES: Final[Mapping[str, Rule]] = {
    "blank": _blank, "courtesy": _courtesy, "assent": _assent, "boilerplate": _boilerplate, "prompt": _prompt, "heartbeat": _heartbeat,
    "progress": _progress, "blob": _blob, "markup": _markup, "log": _log,
}  # fmt: skip
"""The rules that look at one message (and the one before it), in the order in which they are asked."""
REMEMBERING: Final = ("echo", "repeat", "series")
"""The rules that compare a message with what was stored: recalled text that comes back, the same words said again, lines that differ in numbers alone."""


@dataclass
class _Session:
    """What is remembered of a session: the last text, whose words were said by whom in which trace, and how often a line came."""

    before: str | None
    said: OrderedDict[tuple[str, ...], str]
    series: OrderedDict[str, deque[str]]


class Gate:
    """Says of a message which rule takes it for junk.

    Parameters: `mode`, "mark" (stored, hidden, restorable) or "refuse" (not stored); `rules`, the names of those that are asked (default: all of RULES and
    REMEMBERING); `sessions` and `texts`, of how many sessions, and how many texts of each, it remembers what was said: its memory is bounded by them, and begins
    anew with the process.

    >>> gate = Gate()
    >>> gate.judge(Draft("As an AI language model, I cannot have opinions.", role="assistant"), "")
    'boilerplate'
    >>> gate.judge(Draft("Yes.", role="user"), "") is None
    True
    """

    def __init__(self, mode: Mode = "mark", rules: Sequence[str] | None = None, sessions: int = 256, texts: int = 256) -> None:
        if mode not in ("mark", "refuse"):
            raise ConfigError(f"there is no mode of the gate {mode!r}: use 'mark' or 'refuse'")
        known = (*RULES, *REMEMBERING)
        for name in known if rules is None else rules:
            if name not in known:
                raise ConfigError(f"there is no rule of the gate {name!r}: use some of {', '.join(known)}")
        self.mode: Mode = mode
        self.rules = tuple(known if rules is None else rules)
        self.counts: Counter[str] = Counter()
        """How many messages each rule took for junk since the gate was made."""
        self._sessions, self._texts = sessions, texts
        self._known: OrderedDict[tuple[str, str | None], _Session] = OrderedDict()
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def judge(
        self,
        draft: Draft,
        scope: str,
        originals: tuple[str, ...] | None = None,
        there: Callable[[Sequence[str]], bool] = bool,
        pending: Mapping[tuple[str, str | None], Sequence[tuple[Draft, str]]] | None = None,
    ) -> str | None:
        """The name of the rule that takes a message for junk; None where it is kept.

        `originals`: the ids it echoes; `there`: whether all of some traces are stored and shown, without which nothing is a repetition of them; `pending`: what comes
        before it in the same call, by session, with its ids.
        """
        metadata = draft.data.get("metadata", {})
        if draft.data.get("captions") or draft.data.get("tool_calls") or metadata.keys() >= {DOCUMENT, "searchable"}:
            return None
        with self._lock:
            session = self._known.get((scope, draft.session))
            before = session.before if session is not None else None
            said = session.said.get(_signature(draft)) if session is not None else None
            alike = list(session.series.get(_pattern(draft), ())) if session is not None else []
        earlier = (pending or {}).get((scope, draft.session), ())
        if earlier:
            before = earlier[-1][0].text
        for name in self.rules:
            rule = RULES.get(name)
            if rule is not None and rule(draft, Before(before)):
                return name
        if "echo" in self.rules and originals and _all_echo(draft.text) and there(originals):
            return "echo"
        if (
            "repeat" in self.rules
            and len(words(draft.text)) >= LONG_REPEAT
            and (any(_signature(one) == _signature(draft) for one, _ in earlier) or (said is not None and there([said])))
        ):
            return "repeat"
        if "series" in self.rules and draft.role in ("tool", "system"):
            shown = [id for id in alike if there([id])] + [
                id for one, id in earlier if _pattern(one) == _pattern(draft) and one.role == draft.role
            ]
            if len(dict.fromkeys(shown)) >= SERIES:
                return "series"
        return None

    def learn(self, draft: Draft, scope: str, id: str, reason: str | None) -> None:
        """Take note of a message that was stored or refused: only now is it known to be so."""
        with self._lock:
            if reason is not None:
                self.counts[reason] += 1
            session = self._known.setdefault((scope, draft.session), _Session(None, OrderedDict(), OrderedDict()))
            self._known.move_to_end((scope, draft.session))
            session.before = draft.text[-2000:]  # whether it asks something shows at its end
            if reason is None:
                session.said[_signature(draft)] = id
                session.series.setdefault(_pattern(draft), deque(maxlen=SERIES)).append(id)
            while len(session.said) > self._texts:
                session.said.popitem(last=False)
            while len(session.series) > self._texts:
                session.series.popitem(last=False)
            while len(self._known) > self._sessions:
                self._known.popitem(last=False)


def _digest(text: str) -> str:
    from hashlib import blake2b

    return blake2b(text.encode(), digest_size=16).hexdigest()


def _signature(draft: Draft) -> tuple[str, ...]:
    return _digest(" ".join(words(draft.text))), draft.role or "", str(draft.data.get("speaker", ""))


def _pattern(draft: Draft) -> str:
    return _digest(re.sub(r"\d+", "0", " ".join(draft.text.split())))


def _all_echo(text: str) -> bool:
    """Whether a text that echoes something is nothing else: no words, or only a few, stand around the block."""
    if RECALLED_OPEN not in text:
        return True
    outside = re.sub(re.escape(RECALLED_OPEN) + r".*?(?:" + re.escape(RECALLED_CLOSE) + r"|\Z)", " ", text, flags=re.S)
    return len(words(outside)) < 3


def load_gate(given: str | Gate | None) -> Gate | None:
    """The gate that a setting names ("none", "mark", "refuse"), or that is handed in."""
    if given is None or given == "none":
        return None
    if isinstance(given, Gate):
        return given
    if given in ("mark", "refuse"):
        return Gate("mark" if given == "mark" else "refuse")
    raise ConfigError(f"gate must be 'none', 'mark', 'refuse' or a lamina.keeping.gate.Gate, not {given!r}")
