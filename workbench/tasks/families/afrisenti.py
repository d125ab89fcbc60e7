"""AfriSenti: tweets in African languages, negative, neutral or positive; a task is a language.

Muhammad et al. (2023), AfriSenti: a Twitter sentiment analysis benchmark for African languages. A
task is drawn from one language, K tweets of each class, and languages are left out: those that are
tested, or validated, were never seen in training. Classes have the same number in every task.
"""

from __future__ import annotations

import functools

from workbench.errors import UserError, nearest
from workbench.tasks import data
from workbench.tasks.bank import ClassBank
from workbench.tasks.base import Shape, Split
from workbench.tasks.sampler import ClassSplit
from workbench.tasks.text import Texts, plain, text_bank
from workbench.tasks.text_files import LABELS, Stamp, read_tweets

LANGUAGES = {
    "amh": "Amharic",
    "arq": "Algerian Arabic",
    "ary": "Moroccan Arabic",
    "hau": "Hausa",
    "ibo": "Igbo",
    "pcm": "Nigerian Pidgin",
    "swa": "Swahili",
    "tso": "Xitsonga",
}
PARTS = ("train", "dev", "test")  # of a language's files; they are put together
LENGTH = 140  # characters; one tweet in ten of the longest language goes on
_FILES = [(language, part) for language in LANGUAGES for part in PARTS]
_DEFAULT = ("pcm", "tso")  # tested unless others are named


def open_afrisenti(options: list[str]) -> Texts:
    """Sentiment in languages left out: those that are named, by default pcm and tso.

    The language before the last tested one by name validates, and the others train.
    """
    for language in options:
        if language not in LANGUAGES:
            raise UserError(
                f"afrisenti has no language '{language}': {nearest(language, list(LANGUAGES))}"
            )
    tested = sorted(set(options)) or list(_DEFAULT)
    rest = [language for language in LANGUAGES if language not in tested]
    if len(rest) < 2:
        raise UserError(
            f"afrisenti was to leave out {len(tested)} of its {len(LANGUAGES)} languages, which "
            "leaves none to train or to validate: name at most 6"
        )
    before = [language for language in rest if language < tested[-1]]
    validated = (before or rest)[-1]
    paths = [data.require("afrisenti", f"afrisenti/{one}/{part}.tsv") for one, part in _FILES]
    bank = _bank(tuple(Stamp.of(path) for path in paths))
    own: dict[Split, list[str]] = {
        "train": [one for one in rest if one != validated],
        "validation": [validated],
        "test": tested,
    }
    splits = {
        split: ClassSplit.of([row for row, of in enumerate(bank.groups) if of in languages])
        for split, languages in own.items()
    }
    return Texts(
        bank,
        splits,
        name="afrisenti",
        scheme="/".join(["leave-out", *(tested if options else [])]),
        within_groups=True,
        ordered=True,
        default_shape=Shape(ways=len(LABELS), shots=5, queries=15),
    )


@functools.lru_cache(maxsize=1)
def _bank(stamps: tuple[Stamp, ...]) -> ClassBank:
    """Every tweet by language and label; one that stands twice has the label that it had first."""
    labels: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for (language, _), stamp in zip(_FILES, stamps, strict=True):
        for label, tweets in read_tweets(stamp.path).items():
            for tweet in tweets:
                labels[language].setdefault(plain(tweet)[:LENGTH], label)
    classes: dict[str, list[str]] = {f"{one}/{label}": [] for one in LANGUAGES for label in LABELS}
    for language, told in labels.items():
        for tweet, label in told.items():
            classes[f"{language}/{label}"].append(tweet)
    return text_bank(classes, [name.split("/")[0] for name in classes], LENGTH)
