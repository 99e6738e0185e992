"""Words with several pronunciations: which one is meant, by the whole sentence. Pure.

First the words that part of speech does not decide, such as *lead*; then rules for what surrounds a
word, made for announcements, where most verbs are imperatives; else the tagger decides, which was
trained on sentences that state something.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from audio.kokoro.dictionary import DEFAULT

NOUN, VERB, ADJ, PAST = "NOUN", "VERB", "ADJ", "VBD"

# Readings that the dictionary lacks, American and British.
_MORE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "aged": {ADJ: ("ˈAʤᵻd", "ˈAʤɪd")},
    "blessed": {ADJ: ("blˈɛsᵻd", "blˈɛsɪd")},
    "cursed": {DEFAULT: ("kˈɜɹst", "kˈɜːst"), ADJ: ("kˈɜɹsᵻd", "kˈɜːsɪd")},
    "export": {VERB: ("ɪkspˈɔɹt", "ɪkspˈɔːt")},
    "exports": {VERB: ("ɪkspˈɔɹts", "ɪkspˈɔːts")},
    "lead": {"METAL": ("lˈɛd", "lˈɛd")},
    "nice": {"PLACE": ("nˈis", "nˈiːs")},
    "protest": {VERB: ("pɹətˈɛst", "pɹətˈɛst")},
    "protests": {VERB: ("pɹətˈɛsts", "pɹətˈɛsts")},
    "reading": {"PLACE": ("ɹˈɛdɪŋ", "ɹˈɛdɪŋ")},
    "resume": {NOUN: ("ɹˈɛzəmˌA", "ɹˈɛzjʊmA")},
    "resumes": {NOUN: ("ɹˈɛzəmˌAz", "ɹˈɛzjʊmAz")},
    "row": {"QUARREL": ("ɹˈW", "ɹˈW")},
    "rows": {"QUARREL": ("ɹˈWz", "ɹˈWz")},
    "sake": {"DRINK": ("sˈɑki", "sˈɑːki")},
}


def more_readings(word: str, british: bool) -> dict[str, str]:
    """Return the readings of a word, in small letters, that the dictionary lacks."""
    return {tag: pair[british] for tag, pair in _MORE.get(word, {}).items()}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a sentence."""

    text: str
    """Without punctuation around it, and with straight apostrophes."""
    breaks: bool = False
    """Whether punctuation separates it from the next word."""
    ends: bool = False
    """Whether that punctuation ends a clause that may be a sentence; a comma does not."""

    @property
    def lower(self) -> str:
        """The word in small letters."""
        return self.text.lower()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BE = _words(
    "am is are was were be been being i'm you're we're they're he's she's it's isn't aren't"
)
_HAVE = _words("have has had having i've you've we've they've haven't hasn't hadn't get gets got")
_DO = _words("do does did don't doesn't didn't")
_MODAL = _words(
    "can could will would shall should may might must can't cannot couldn't won't wouldn't "
    "shouldn't mustn't i'll you'll he'll she'll it'll we'll they'll i'd you'd he'd she'd we'd "
    "they'd gonna wanna gotta let's lets"
)
_BEFORE_VERB = _MODAL | _words("don't doesn't didn't")
_SUBJECT = _words("i we you they who")
_SINGULAR = _words("he she it")
_OBJECT = _words("me him her us them it you")
_CAUSE = _words("let lets help make makes made hear see watch have")
_DETERMINER = _words(
    "the a an my your his her its our their this these those every each no some any another "
    "which what whose both either neither"
)
_OBJECT_START = _DETERMINER - {"no"} | _words(
    "that it him me us them all everything everyone something one two three yourself"
)
_PREPOSITION = _words(
    "of in on at for with by from under into about during without between against across after "
    "before through per via near like than as"
)
_LEAD_IN = _words(
    "please now then just and or but so always never also first next finally quickly slowly "
    "carefully kindly hey ok okay today tonight tomorrow immediately everyone everybody somebody "
    "someone anyone again n.b nb p.s ps fyi btw"
)
_ADVERB = _words(
    "not always never just also only still ever really even usually often sometimes already soon "
    "quickly slowly simply actually probably definitely please kindly carefully"
)
_AND = _words("and or then but")
_PARTICLE = _words("up down out off away back aloud over along")


_STATES = _words(
    "accepted approved available cancelled canceled closed closes complete completed confirmed "
    "created deleted denied done due ended ends expired expires failed fails finished missing "
    "needed opens pending ready received rejected required saved sent starts succeeded updated"
)
_QUESTION = _words("what when where who how why whatever whenever")

_REACH = 30
"""How many words before and after a word are looked at: a text may have no punctuation."""


class _Context:
    """A word and what surrounds it, up to the next punctuation."""

    def __init__(self, tokens: Sequence[Token], index: int, tags: Sequence[str]) -> None:
        self._tokens, self._index, self._tags = tokens, index, tags
        self._start = index
        while self._start > max(0, index - _REACH) and not tokens[self._start - 1].breaks:
            self._start -= 1
        self._end = index + 1
        while self._end < min(len(tokens), index + _REACH) and not tokens[self._end - 1].breaks:
            self._end += 1
        self.token = tokens[index]
        self.word = self.token.lower
        self.before, self.before2 = self._at(-1), self._at(-2)
        self.after, self.after2 = self._at(1), self._at(2)
        self.tag = self.tag_at(0)

    def _at(self, offset: int) -> str:
        """Return a word nearby in small letters; empty if punctuation separates it."""
        return self._tokens[self._index + offset].lower if self._reaches(offset) else ""

    def tag_at(self, offset: int) -> str:
        """Return the tagger's part of speech of a word nearby; empty if there is none."""
        return self._tags[self._index + offset] if self._tags and self._reaches(offset) else ""

    def _reaches(self, offset: int) -> bool:
        return self._start <= self._index + offset < self._end

    def near(self, words: frozenset[str]) -> bool:
        """Whether one of *words* is in the sentence, not too far away."""
        around = self._tokens[max(0, self._index - _REACH) : self._index + _REACH]
        return any(token.lower in words for token in around)

    def clause_before(self) -> list[tuple[str, str]]:
        """Return the words before it in its clause, in small letters, with their tags."""
        offsets = range(self._start - self._index, 0)
        return [(self._at(offset), self.tag_at(offset)) for offset in offsets]

    def subject(self) -> tuple[str, str]:
        """Return the two words before it, without adverbs: I always close it, do not record."""
        words = [word for word, _ in self.clause_before() if word not in _ADVERB]
        before2, before = ["", "", *words][-2:]
        return before, before2

    def orders(self) -> bool:
        """Whether it has an object and its clause has no other verb: Import photos from there."""
        start = self._start
        called = start == 1  # Sam, import photos
        if not (start == 0 or called or self._tokens[start - 1].ends):
            return False
        follows, after = self.tag_at(1), self._at(1)
        plural = follows.startswith("NOUN") and after.endswith("s")
        name = (
            self.token.text.islower()
            and self._reaches(1)
            and (self._tokens[self._index + 1].text[:1].isupper())
        )
        if not (plural or name or follows.startswith(("NUM", "PROPN")) or after.endswith("'s")):
            return False
        offset = 1
        while tag := self.tag_at(offset):
            if tag.endswith("Fin"):
                return False
            offset += 1
        return True

    def follows(self, word: str) -> bool:
        """Whether *word* is after it, in its clause."""
        return any(self._tokens[place].lower == word for place in range(self._index + 1, self._end))

    def is_subject(self) -> bool:
        """Whether a verb after it is its own: Contract expires, Permit required, Survey is open."""
        if self._at(1) in _STATES:
            return True
        for offset in range(1, 5):
            tag = self.tag_at(offset)
            form = tag.partition("|")[2]
            if not tag or tag.startswith(("PRON", "SCONJ", "CCONJ", "DET", "PART")):
                return False
            if self._at(offset) in _QUESTION:
                return False
            if tag.startswith("AUX") and form == "Fin":
                return True
            if form == "Part" and self.tag_at(offset - 1).startswith("ADP"):
                return False  # Use as directed
            if form in ("Fin", "Part") or (form == "Ger" and offset == 1):
                after = self.tag_at(offset + 1)
                return not after or after.startswith(("ADP", "ADV", "SCONJ", "AUX"))
        return False

    def starts(self) -> bool:
        """Whether an order may begin with it: nothing precedes it but *please*, *now* and so on."""
        return all(word in _LEAD_IN for word, _ in self.clause_before())

    def next_word(self) -> str:
        """Return the next word in small letters, also behind punctuation."""
        return self._tokens[self._index + 1].lower if self._index + 1 < len(self._tokens) else ""

    def is_capital_inside(self) -> bool:
        """Whether it has a capital letter that its place does not explain."""
        return self._index > 0 and self.token.text[:1].isupper()


def choose(
    tokens: Sequence[Token], index: int, tags: Sequence[str], readings: Mapping[str, str]
) -> str:
    """Return the reading of a word that is meant.

    Args:
        tokens: the sentence.
        index: the word in question.
        tags: the tagger's parts of speech, or empty if there is no tagger.
        readings: phonemes by part of speech, with those of `more_readings`.
    """
    context = _Context(tokens, index, tags)
    special = _SPECIAL.get(context.word)
    part = (special and special(context)) or _part(context)
    if part in readings:
        return readings[part]
    if part in (VERB, PAST, "VBN"):
        return readings.get(VERB, readings[DEFAULT])
    if VERB in readings or part == DEFAULT:
        return readings[DEFAULT]
    # Often the default is the verb, so whatever is none has the other reading.
    other = readings.get(NOUN)
    if other is None and context.word.endswith(("ate", "fuse")):
        other = readings.get(ADJ)
    return other or readings[DEFAULT]


def _part(context: _Context) -> str:
    """Return the part of speech by the rules, else by the tagger."""
    return _by_rules(context) or _by_tagger(context)


def _by_tagger(context: _Context) -> str:
    part, _, form = context.tag.partition("|")
    if part in ("NOUN", "PROPN"):
        return NOUN
    if part in ("VERB", "AUX"):
        return "VBN" if form == "Part" else VERB
    return part if part in (ADJ, "ADV", "DET") else DEFAULT


def _by_rules(context: _Context) -> str:
    return _by_title(context) or _by_order(context) or _by_subject(context) or _by_place(context)


_TITLES = {
    "appropriate": _words("clothes clothing dress shoes attire use"),
    "alternate": _words("days weeks route routes side parking"),
    "contract": _words("worker workers terms number law work"),
    "import": _words("duty duties tax taxes tariff tariffs fee fees quota quotas charges rules"),
    "intimate": _words("details moments photos"),
    "permit": _words("holder holders office number application"),
    "project": _words("file files plan plans manager team meeting deadline budget"),
    "record": _words(
        "temperature temperatures profit profits sales high highs low lows heat numbers rainfall "
        "snowfall crowd crowds player players label labels company store attendance turnout time"
    ),
    "refuse": _words("bin bins bag bags collection collections truck trucks sack sacks disposal"),
    "refund": _words("policy request requests status"),
    "rebel": _words("force forces group groups army fighters leader leaders attack troops"),
    "survey": _words("result results response responses question questions form link data team"),
}
"""What follows a noun or an adjective that begins a notification, although it may be an order."""
_RECORDED = _words("video audio voice sound screen meeting call message macro")
_COMMANDS = _words("convert export import insert rebel resume upload use")
_ACTIONS = _words("combine convert increase insert reject resume rewrite")
_COMMAND_FOLLOWS = _words(
    "to from into by before within against as after with at in on for when until"
)


def _by_title(context: _Context) -> str:
    """Decide for the first word of a notification: Contract expires, Permit required, Use by."""
    before, after = context.before, context.after
    if after in _TITLES.get(context.word, ()) and before != "to" and before not in _BEFORE_VERB:
        return _noun_or_adjective(context)
    if not context.starts() or after in _OBJECT_START:
        return ""
    if after == "of" or context.is_subject():
        return _noun_or_adjective(context)
    plural = context.word.endswith("s") and not context.tag_at(1).startswith("NUM")
    if plural and after and not before:
        return NOUN  # an order has no such ending
    if context.word == "record" and after in _RECORDED and not before:
        return VERB
    command = context.word in _COMMANDS and after in _COMMAND_FOLLOWS
    if command or (context.word in _ACTIONS and context.tag_at(1).startswith("NOUN")):
        return VERB
    divides = any(context.follows(word) for word in ("from", "into", "by", "and"))
    if context.word == "separate" and context.tag_at(1).startswith("NOUN") and not divides:
        return ADJ
    return ""


def _noun_or_adjective(context: _Context) -> str:
    return ADJ if context.word.endswith("ate") and context.after not in ("", "of") else NOUN


def _by_order(context: _Context) -> str:
    """Decide for a verb that is asked for: Record the show, please close it, try to use that."""
    before, before2 = context.subject()
    object_follows = context.after in _OBJECT_START | _PARTICLE
    helped = (
        before in _BEFORE_VERB
        or context.before in _words("please kindly")
        or (before in _DO and context.before in _ADVERB)
        or (before in _OBJECT and before2 in _CAUSE)
        or (before == "to" and (context.tag.startswith("VERB") or object_follows))
    )
    ordered = object_follows and (before in _AND or context.starts())
    return VERB if helped or ordered or (context.starts() and context.orders()) else ""


def _by_subject(context: _Context) -> str:
    """Decide by a pronoun before it: did you close it, are you close, she uses that."""
    before, before2 = context.subject()
    if before not in _SUBJECT | _SINGULAR:
        return ""
    if before2 in _BE:
        return _not_verb(context)
    inflected = before in _SINGULAR and context.word.endswith("s")
    return VERB if before in _SUBJECT or before2 in _DO | _MODAL or inflected else ""


def _by_place(context: _Context) -> str:
    """Decide by what precedes a noun, or by a noun that is its subject."""
    before, after = context.before, context.after
    if before in _SOME and after in _OBJECT_START:
        return VERB  # some record the rain
    points = before == "that" and context.before2 in _PREPOSITION | {"to", ""}
    if points or before in _DETERMINER | _SOME | _PREPOSITION or before.endswith(("'s", "s'")):
        return _not_verb(context)
    if _asks(context) or _follows_subject(context):
        return VERB
    named = before in _KINDS and after not in _OBJECT_START
    return NOUN if named or (after == "of" and before in _MAKES) else ""


_KINDS = _words("work parking building travel study residence entry fishing camping")
_MAKES = _words("make makes made making no")  # make use of it
_SOME = _words("some both all most few many several")
_MANY = _words("others people men women children")
_DAYS = _words("today tonight tomorrow next")
_FEASTS = _words("birthday easter wedding anniversary hanukkah")
_OPPOSES = _words("conflict object rebel")
_OBJECTS = ("DET", "ADJ", "NUM", "PRON", "NOUN", "PROPN", "ADV")


def _follows_subject(context: _Context) -> bool:
    """Whether the noun before it is its subject: Metals contract when, Haaretz uses a."""
    before, after_tag = context.before, context.tag_at(1)
    names = context.tag_at(-1).startswith(("NOUN", "PROPN"))
    plural = before in _MANY or (
        names and before.endswith("s") and not before.endswith(("ss", "us", "is"))
    )
    if plural and not context.after and context.word in _OPPOSES:
        return True
    timed = context.after == "at" and context.tag_at(2).startswith("NUM")
    if context.word.endswith("s") and (timed or context.after in _DAYS):  # Anna presents at 3
        person = context.tag_at(-1).startswith("PROPN") and before not in _FEASTS
        return person and not plural
    if context.word.endswith("s"):
        return names and not plural and after_tag.startswith(("DET", "ADJ", "NUM", "PRON"))
    if plural:
        return after_tag.startswith((*_OBJECTS, "ADP", "SCONJ"))
    return names and after_tag.startswith("DET")


def _not_verb(context: _Context) -> str:
    part = _by_tagger(context)
    if part in (NOUN, ADJ):
        return part
    return ADJ if context.tag_at(1).startswith(("NOUN", "PROPN")) else NOUN


def _asks(context: _Context) -> bool:
    """Whether it is the verb of a question, whose subject is not a pronoun: Did Emma read it?"""
    words = context.clause_before()
    for place, (word, _) in enumerate(words[:2]):
        if word in _DO or (word in _MODAL and place == 0):
            between = words[place + 1 :]
            return (
                0 < len(between) <= 3  # noqa: PLR2004  # a subject: all the new guests
                and not any(tag.startswith(("VERB", "ADP", "CCONJ")) for _, tag in between)
                and between[-1][1].startswith(("NOUN", "PROPN", "PRON"))
            )
    return False


# ---- words that part of speech does not decide ----

_PAST_TIME = _words(
    "yesterday ago already last earlier once then finally recently before when just never ever"
)
_HABIT = _words("every always often usually sometimes daily rarely nightly when if while as")


_MARKS = _words("mark marks marked marking")
_INDEFINITE = _words("nobody somebody someone everybody everyone no-one none")


def _read(context: _Context) -> str:
    words = [word for word, _ in context.clause_before()]
    if context.before in _words("widely well") or context.after in ("receipt", "receipts"):
        return PAST
    found = _read_after_helper(words) or _read_after_subject(context, words)
    if found:
        return found
    if context.starts():
        return VERB
    if context.near(_PAST_TIME - _HABIT):
        return PAST
    return _part(context) if context.tag.endswith("Inf") else ""


def _read_after_helper(words: Sequence[str]) -> str:
    """Decide by another verb: Have you already read it? The note was read. Mark it as read."""
    for word in reversed(words):
        if word in _BE | _HAVE or word in _words("having"):
            return PAST
        if word in _DO | _MODAL | {"to", "please", "let", "lets"}:
            return VERB
    return PAST if _MARKS & {*words} and words[-1] not in _AND else ""


def _read_after_subject(context: _Context, words: Sequence[str]) -> str:
    before, tag = context.before, context.tag_at(-1)
    name = (tag.startswith("PROPN") and before not in _LEAD_IN) or (
        tag.startswith("NOUN") and not before.endswith("s")
    )
    if before in _SINGULAR | _INDEFINITE | {"who"} or name:
        return PAST
    if before == "and" and any(word.endswith("ed") for word in words):
        return PAST
    if before == "you" and words[0] in _words("once after before until unless"):
        return VERB
    if before in _words("i we you they"):
        return VERB if context.near(_HABIT) and not context.near(_words("yesterday ago")) else PAST
    return ""


_LEADEN = _words(
    "pipe pipes paint paints poisoning poison battery batteries apron aprons bullet bullets shot "
    "roof roofing weight weights ore solder pencil crystal acetate oxide foil sheet sheets glass "
    "mine mines mining alloy alloys toxicity exposure contamination smelter plumbing acid pellets "
    "sinker sinkers coffin"
)
_METALS = _words(
    "zinc copper tin iron silver arsenic mercury cadmium metal metals toxic ore ores molten "
    "pipe pipes paint poisoning plumbing leaded stained radiation soldered melts asbestos nickel"
)


_MEASURED = _words("found detected level levels concentration concentrations content")
_TESTED = _words("water blood soil dust air tap drinking")
_TESTS = _words("test tests tested testing check checked checking screen screened")


def _lead(context: _Context) -> str:
    if context.before == "pencil" or (context.after in _MEASURED and context.near(_TESTED)):
        return "METAL"
    if context.before == "for" and not context.after and context.near(_TESTS):
        return "METAL"
    if context.after in _LEADEN:
        return "METAL"
    if context.before in _words("of in contains contain containing with and or is from made"):
        if context.before in _words("of in from") and context.after in _words("of in to the") | {
            ""
        }:
            return "METAL" if context.after != "the" else ""
        if context.near(_METALS):
            return "METAL"
    if context.near(_METALS) and context.before not in _DETERMINER | _BEFORE_VERB | {"to"}:
        return "METAL"
    element = context.after in _words("is was has tends melts") and context.starts()
    return "METAL" if element or context.near(_words("neurotoxin pewter pewters element")) else ""


_FISHY = _words(
    "fish fishes fishing caught catch fisherman angler anglers sea striped largemouth smallmouth "
    "lake river grilled trout perch salmon fillet pond species bait rod carp catfish pike sunfish "
    "walleye swam swims swim swimming hooked lure crappie bluegill "
    "spawn fried reservoir stocked aquarium tank rock"
)
_SOUNDS = _words("guitar guitars drum drums clef player players music vocals piano amp")


def _bass(context: _Context) -> str:
    if context.after in _SOUNDS or context.near(_SOUNDS):
        return ADJ
    return DEFAULT if context.near(_FISHY) else ADJ


_SHIPS = _words(
    "ship ships boat stern hull deck vessel port starboard torpedo anchor sail ship's boat's crew "
    "yacht submarine canoe kayak mast rudder waterline sank sea"
)
_ARCHERY = _words(
    "longbow bowstring arrow arrows violin cello fiddle archery quiver tie ribbon hair shoe string"
)


def _bow(context: _Context) -> str:
    before2 = context.before2
    if context.near(_ARCHERY) or context.after in _words("tie ties window street bells"):
        return DEFAULT
    if (
        before2 in _words("take takes took taken taking final deep")
        and context.before in _DETERMINER
    ):
        return VERB
    if context.before in _words(
        "deep slight polite final courtly kneeling starboard port ship's"
    ) or (context.after in _words("section thruster wave ramp doors wow")):
        return VERB
    if context.near(_SHIPS):
        return VERB
    return ""


_TORN = _words("here along off open up out down apart")


def _tear(context: _Context) -> str:
    if context.word == "tear" and context.starts() and context.after in _TORN:
        return VERB
    if context.after in _words("gas drop drops duct ducts"):
        return DEFAULT
    if context.word == "tear" and context.after == "in" and context.after2 in _DETERMINER:
        eye = context.near(_words("eye eyes"))
        return DEFAULT if eye else VERB
    if context.near(
        _words("wear muscle ligament meniscus acl tendon cuff hamstring fabric jacket")
    ):
        return VERB
    return ""


def _row(context: _Context) -> str:
    over = context.after in _words("over about with between erupted broke") or (
        context.before in _words("blazing almighty diplomatic public political flaming furious")
    )
    quarrels = context.before2 in _words("had have having in with") or context.near(
        _words("quarrel")
    )
    return "QUARREL" if over and (quarrels or context.before != "the") else ""


_WINDING = _words(
    "up down around round through along back into its tightly across between past towards toward "
    "his her their the"
)


def _winds(context: _Context) -> str:
    turns = context.after in _WINDING - _words("in the his her their") and context.before
    blows = context.tag_at(-1).startswith(("ADJ", "VERB")) or context.before in (
        _DETERMINER | _PREPOSITION | _words("force storm and trade")
    )
    return VERB if turns and not blows else NOUN


def _lives(context: _Context) -> str:
    dwells = context.after in _words(
        "in with on at near alone there next up here by under from and"
    )
    person = context.tag_at(-1).startswith(("NOUN", "PROPN", "PRON", "ADV")) and (
        not context.before.endswith("s") and context.before not in _DETERMINER
    )
    return VERB if dwells and person else ""


def _moped(context: _Context) -> str:
    person = context.before in _SUBJECT | _words("he she")
    return VERB if person or context.after in _words("around about all") else NOUN


def _wound(context: _Context) -> str:
    if context.after in _WINDING - _words("the his her their its") and context.before not in (
        _DETERMINER
    ):
        return PAST
    if context.after in _words("the his her their its") and context.before in _SINGULAR | _SUBJECT:
        return PAST
    if context.before in _words(
        "being tightly wire coil coils is are was were be"
    ) and context.near(
        _words("coil coils wire wires spring string rope thread bobbin spool clock tightly turns")
    ):
        return PAST
    return DEFAULT


def _dove(context: _Context) -> str:
    diving = context.after in _words(
        "into in off down under for right head deep straight back through from underwater behind"
    )
    person = context.before in _SUBJECT | _SINGULAR
    return VERB if person or (diving and context.before not in _DETERMINER) else NOUN


def _sow(context: _Context) -> str:
    pigs = context.near(_words("pig pigs piglet piglets boar boars litter farrow litters swine"))
    if context.before in _DETERMINER and not _by_rules_is_verb(context):
        return NOUN
    return NOUN if pigs or _part(context) == NOUN else DEFAULT


def _by_rules_is_verb(context: _Context) -> bool:
    return _by_rules(context) == VERB


_TINY = _words(
    "detail details amount amounts quantity quantities crack cracks trace traces particle "
    "particles "
    "fraction fractions difference differences dose doses change changes variation variations hole "
    "holes organism organisms insect insects scale size print fragment fragments piece pieces hair "
    "hairs spot spots bubble bubbles inspection examination teeth spines scales flowers grains "
    "portion portions proportion creature creatures"
)


def _minute(context: _Context) -> str:
    intense = context.before in _words("very so extremely too most more quite rather such these")
    time = context.before in _DETERMINER | _words("last per next first") or (
        context.tag_at(-1).startswith("NUM")
    )
    thing = context.tag_at(1).startswith(("NOUN", "ADJ")) and not time and context.before
    if context.tag_at(-1).startswith("NUM") or context.before in _words("last per"):
        return NOUN
    small = context.before in _BE and not context.after
    return ADJ if context.after in _TINY or intense or thing or small else NOUN


_ON_AIR = _words(
    "watch watching watched broadcast broadcasting stream streaming streamed go goes going went "
    "performed perform performing recorded shown aired air televised play played playing see us"
)
_SHOWN = _words(
    "music show shows stream streams streaming broadcast broadcasts event events concert concerts "
    "update updates score scores chat tv television ammunition wire wires album albums "
    "performance performances audience version versions band bands recording recordings coverage "
    "animals theater theatre session sessions action video dvd sets gig gigs feed camera demo "
    "news sports set act acts bait food support tour recordings rounds match matches"
)


def _live(context: _Context) -> str:
    if not context.before and context.after in _words("at from now"):
        return ADJ  # Live at 8
    if context.before == "let" or (context.after == "and" and context.after2 == "let"):
        return VERB
    if context.before in _SOME | _SUBJECT and context.after in _words("here there in with near"):
        return VERB
    if context.after in _SHOWN or context.before in _ON_AIR | _BE | _words("a this first"):
        return ADJ
    asked = context.clause_before()[:1]  # Is this concert live?
    return ADJ if asked and asked[0][0] in _BE and not context.after else ""


_NEAR = _words(
    "call calls friend friends family relative relatives contact contacts race encounter "
    "encounters game match finish quarters range proximity ties shave second collaboration eye "
    "watch attention up ups fight"
)


def _is_close_order(context: _Context) -> bool:
    """Whether it is a whole sentence, or the last of two orders: Close. Open or close?"""
    return not context.before or (context.before == "or" and context.before2 in ("open", "opened"))


def _close(context: _Context) -> str:
    if context.after in _words("to enough by together friend friends"):
        verb = context.before in _BEFORE_VERB | _words("to")
        return VERB if verb and context.after != "to" else DEFAULT
    if context.before in _words("the at") and context.after == "of":
        return VERB
    if not context.after and context.token.ends and _is_close_order(context):
        return VERB
    if context.before in _BE:
        return DEFAULT
    if not context.before and context.after == "at" and context.tag_at(2).startswith("NUM"):
        return VERB
    issue = context.tag_at(1).startswith(("NOUN", "PROPN")) and context.after not in _NEAR
    if issue and not context.before:
        return VERB
    part = _part(context)
    return VERB if part == VERB else DEFAULT  # as a noun, it is near, too: the close of a cathedral


def _used(context: _Context) -> str:
    if context.after != "to":
        return DEFAULT
    words = [word for word, _ in context.clause_before()]
    person = bool(_words("i you he she we they i'm you're he's she's we're they're") & {*words})
    serves = context.before in _BE - _words("i'm you're he's she's we're they're")
    if serves and not person and not context.after2.endswith("ing"):
        return DEFAULT if context.after2 not in _OBJECT_START else PAST
    things = _words("tool tools method methods material materials technique term terms word words")
    return DEFAULT if context.before in things else PAST


_HELD = _words("woman man men women society societies journal friend gentleman judge professor")


def _learned(context: _Context) -> str:
    return ADJ if context.after in _HELD else DEFAULT


def _before_noun(context: _Context) -> str:
    """Return ADJ where a participle describes the noun after it: a blessed day."""
    noun = context.tag_at(1).startswith(("NOUN", "PROPN", "ADJ"))
    described = context.before in _DETERMINER and (noun or not context.after)
    name = context.tag_at(1).startswith("PROPN") and context.token.text[:1].isupper()
    return ADJ if described or name or context.after == "be" else DEFAULT


def _aged(context: _Context) -> str:
    people = _words("man men woman women mother father parents people relative relatives lady")
    return (
        ADJ
        if context.after in people or (context.before == "the" and context.after in {"", "and"})
        else DEFAULT
    )


def _axes(context: _Context) -> str:
    tools = _words(
        "lumberjack lumberjacks wood chop sharpen sharpened battle throwing hand stone ice swords "
        "spears knives bronze copper adzes polished hammers tools weapons flint picks axe saws"
    )
    return VERB if context.near(tools) else NOUN


def _place(context: _Context) -> str:
    if context.next_word() in _words("france england berkshire uk"):
        return "PLACE"
    at = context.before in _words("in to from near at of for")
    return "PLACE" if at and context.is_capital_inside() else DEFAULT


def _sake(context: _Context) -> str:
    drinks = _words(
        "bottle bottles drink drinks drinking rice cup cups warm brewery beer sushi wine"
    )
    return "DRINK" if context.near(drinks) and context.before != "the" else DEFAULT


_SEEMS = _BE | _words("look looks looked seem seems seemed feel feels felt very quite so not too")


def _noun_or_default(context: _Context) -> str:
    """Return NOUN, or the reading of the adjective and the verb: the cat looks content."""
    if context.before in _SEEMS:
        return DEFAULT
    if context.after == "with" and context.starts():
        return DEFAULT
    titled = context.tag_at(1).startswith(("NOUN", "VERB")) or not context.before
    if context.word == "content" and titled:
        return NOUN
    return NOUN if _part(context) == NOUN else DEFAULT


def _invalid(context: _Context) -> str:
    person = context.after in _words("mother father wife husband sister brother aunt parents")
    alone = not context.tag_at(1).startswith(("NOUN", "PROPN", "ADJ", "NUM"))
    return NOUN if person or (context.before in ("an", "the") and alone) else DEFAULT


def _wind(context: _Context) -> str:
    ordered = context.after in _OBJECT_START | _PARTICLE | _WINDING
    if context.starts() and not ordered:
        return NOUN
    return _part(context)


def _default(_: _Context) -> str:
    return DEFAULT


def _noun(_: _Context) -> str:
    return NOUN


_SPECIAL: Mapping[str, Callable[[_Context], str]] = {
    "aged": _aged,
    "axes": _axes,
    "bass": _bass,
    "blessed": _before_noun,
    "bow": _bow,
    "bows": _bow,
    "close": _close,
    "closer": _default,
    "content": _noun_or_default,
    "contents": _noun,
    "crooked": _default,
    "cursed": _before_noun,
    "dogged": _default,
    "dove": _dove,
    "invalid": _invalid,
    "jagged": _default,
    "lead": _lead,
    "learned": _learned,
    "lives": _lives,
    "live": _live,
    "minute": _minute,
    "moped": _moped,
    "nice": _place,
    "ragged": _default,
    "read": _read,
    "reading": _place,
    "row": _row,
    "rows": _row,
    "sake": _sake,
    "sow": _sow,
    "tear": _tear,
    "upset": _noun_or_default,
    "used": _used,
    "wind": _wind,
    "winds": _winds,
    "wound": _wound,
}


@functools.cache
def _months() -> frozenset[str]:
    return _words("in of this last next late early mid until till since by from every on during")


def spelling(tokens: Sequence[Token], index: int) -> str:
    """Return a word as the dictionary has it, where a capital letter decides: Polish, August."""
    context = _Context(tokens, index, ())
    text = context.token.text
    if context.word == "polish" and index == 0:
        return "polish" if context.after in _OBJECT_START else "Polish"
    if context.word == "august" and text == "august":
        month = context.before in _months() or context.after[:1].isdigit()
        return "August" if month else "august"
    return text
