"""A grammar of intents: sentences asked of an assistant, made up, always there, seeded.

An *intent* is a verb and an object of one of ten domains ("cancel" + "flight" of travel). Each of a
domain's four objects takes six of the twelve verbs, 240 intents, 30 sentences each:

    sentence  = opening? verb article object slot? closing?      "could you cancel my flight for
                | closing? , same                                 tomorrow please"
    opening, closing    politeness, shared by all intents
    verb, object        one of three or four synonyms each
    slot                a time, a place, a name or an amount, which say nothing of the intent
    typos               in one word of eight: a letter lost, doubled, or two of them swapped

Domains belong to one split as a whole: 6 to train, 2 to validate, 2 to test. What can be learned is
which words matter, and which verbs mean the same; a new domain's objects must be learned anew. It
is no substitute for real sentences: name the set in every result.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import torch

from workbench.randomness import fold, permutation, uniform
from workbench.tasks.bank import ClassBank
from workbench.tasks.base import Split
from workbench.tasks.sampler import ClassSplit
from workbench.tasks.text import Texts, text_bank

SENTENCES = 30  # of an intent; alike ones are made again
VERBS_OF_AN_OBJECT = 6
TYPOS = 1 / 8  # of the words
LENGTH = 96  # characters
DIVISION: dict[Split, int] = {"train": 6, "validation": 2, "test": 2}  # domains

VERBS = {
    "book": ("book", "reserve", "arrange", "set up"),
    "cancel": ("cancel", "call off", "drop", "get rid of"),
    "check": ("check", "look up", "tell me about", "show me"),
    "change": ("change", "modify", "update", "adjust"),
    "find": ("find", "locate", "search for", "where is"),
    "buy": ("buy", "order", "purchase", "get me"),
    "send": ("send", "forward", "mail", "share"),
    "repair": ("repair", "fix", "mend"),
    "compare": ("compare", "contrast", "weigh up"),
    "return": ("return", "give back", "bring back"),
    "rate": ("rate", "review", "judge", "give stars to"),
    "remember": ("remember", "save", "note down", "keep"),
}

DOMAINS = {
    "travel": (
        ("flight", "plane", "airfare"),
        ("hotel", "room", "lodging"),
        ("passport", "visa"),
        ("luggage", "suitcase", "bags"),
    ),
    "kitchen": (
        ("recipe", "dish", "meal idea"),
        ("oven", "stove"),
        ("groceries", "food shopping"),
        ("fridge", "refrigerator", "icebox"),
    ),
    "money": (
        ("account", "balance"),
        ("credit card", "visa card", "plastic"),
        ("loan", "mortgage", "borrowing"),
        ("invoice", "bill", "payment due"),
    ),
    "health": (
        ("doctor", "physician", "gp"),
        ("prescription", "pills", "medicine"),
        ("workout", "exercise", "training plan"),
        ("glasses", "spectacles", "lenses"),
    ),
    "music": (
        ("song", "track", "tune"),
        ("playlist", "mix"),
        ("concert", "gig", "show tickets"),
        ("headphones", "earphones", "headset"),
    ),
    "car": (
        ("tyre", "tire", "wheel"),
        ("parking spot", "car park", "garage space"),
        ("route", "directions", "way there"),
        ("car insurance", "motor policy"),
    ),
    "work": (
        ("meeting", "appointment", "conference"),
        ("report", "document", "write up"),
        ("holiday request", "leave", "days off"),
        ("laptop", "computer", "notebook"),
    ),
    "home": (
        ("lamp", "light", "lights"),
        ("heating", "thermostat", "radiator"),
        ("door lock", "front door", "latch"),
        ("vacuum", "hoover", "cleaner"),
    ),
    "garden": (
        ("roses", "flowers", "blooms"),
        ("lawn", "grass", "turf"),
        ("hedge", "bushes", "shrubs"),
        ("watering", "sprinkler", "hose"),
    ),
    "school": (
        ("homework", "assignment", "coursework"),
        ("timetable", "class schedule"),
        ("library book", "textbook"),
        ("exam", "test", "finals"),
    ),
}

_OPENINGS = (
    "please",
    "could you",
    "can you",
    "i want to",
    "i need to",
    "i would like to",
    "help me to",
    "hey",
    "let us",
    "how do i",
)
_CLOSINGS = ("please", "thanks", "right now", "if you can", "as soon as possible", "for me")
_ARTICLES = ("the", "my", "a", "this", "our")
_SLOTS = (
    "for {time}",
    "at {time}",
    "in {place}",
    "near {place}",
    "with {name}",
    "for {name}",
    "under {number} dollars",
    "number {number}",
)
_TIMES = ("tomorrow", "monday", "next week", "tonight", "noon", "five o'clock", "the weekend")
_PLACES = ("london", "the city", "paris", "town", "the office", "chicago", "the north")
_NAMES = ("anna", "my brother", "doctor lee", "sam", "the boss", "maria", "grandma")

_SEED = 150
_VERBS, _SENTENCE, _SPLIT = range(3)  # what the seed is put to
_DRAWS = 48  # uniform numbers of a sentence


def open_grammar() -> Texts:
    """The grammar's intents as few-shot tasks, divided by domain.

    >>> episode = open_grammar().sample(2, seed=0, split="test")
    >>> episode.support.x.shape, episode.info["inputs"]
    (torch.Size([2, 5, 96]), 'text')
    """
    bank, domains = grammar_bank(), sorted(DOMAINS)
    order = permutation(_seed(_SPLIT), len(domains))[0].tolist()
    splits: dict[Split, ClassSplit] = {}
    for split, count in DIVISION.items():
        own, order = {domains[place] for place in order[:count]}, order[count:]
        splits[split] = ClassSplit.of([i for i, group in enumerate(bank.groups) if group in own])
    return Texts(bank, splits, name="grammar", scheme="domains")


@functools.cache
def grammar_bank() -> ClassBank:
    """Every sentence by intent."""
    found, groups = {}, []
    for number, (domain, verb, objects) in enumerate(intents()):
        found[f"{verb} {objects[0]}"] = sentences(number, verb, objects)
        groups.append(domain)
    return text_bank(found, groups, LENGTH)


def intents() -> Iterator[tuple[str, str, Sequence[str]]]:
    """Every intent: its domain, its verb, and its object by every name.

    >>> len(list(intents()))
    240
    """
    number = 0
    for domain, things in sorted(DOMAINS.items()):
        for objects in things:
            order = permutation(_seed(_VERBS, number), len(VERBS))[0].tolist()
            number += 1
            for place in sorted(order[:VERBS_OF_AN_OBJECT]):
                yield domain, list(VERBS)[place], objects


def sentences(number: int, verb: str, objects: Sequence[str]) -> list[str]:
    """The different sentences of an intent, which follow from its number."""
    found: dict[str, None] = {}
    tried = 0
    while len(found) < SENTENCES:
        draws = uniform(_seed(_SENTENCE, number, tried), (SENTENCES, _DRAWS))[0]
        for row in draws.tolist():
            found.setdefault(_sentence(iter(row), verb, objects), None)
        tried += 1
    return list(found)[:SENTENCES]


def _sentence(dice: Iterator[float], verb: str, objects: Sequence[str]) -> str:
    def pick(choices: Sequence[str]) -> str:
        return choices[int(next(dice) * len(choices))]

    def perhaps(chance: float, text: str) -> str:
        return text if next(dice) < chance else ""

    opening = perhaps(0.7, pick(_OPENINGS))
    action = f"{pick(VERBS[verb])} {pick(_ARTICLES)} {pick(objects)}"
    filled = {"time": pick(_TIMES), "place": pick(_PLACES), "name": pick(_NAMES)}
    slot = pick(_SLOTS).format(**filled, number=10 + int(90 * next(dice)))
    parts = [opening, action, perhaps(0.5, slot), perhaps(0.3, pick(_CLOSINGS))]
    words = " ".join(part for part in parts if part).split()
    return " ".join(_typed(word, dice) for word in words)


def _typed(word: str, dice: Iterator[float]) -> str:
    """The word, perhaps with a typo."""
    draw = next(dice, 1.0)
    if draw >= TYPOS or len(word) < 4:
        return word
    draw /= TYPOS  # what is left of it is as good as new
    place = 1 + int(draw * (len(word) - 2))
    a, b = word[place], word[place + 1]
    kind = int(draw * 1000) % 3
    return word[:place] + (b, a + a + b, b + a)[kind] + word[place + 2 :]


def _seed(*words: int) -> torch.Tensor:
    return fold(torch.tensor([_SEED]), *words)
