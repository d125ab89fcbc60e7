"""AfriSenti: tweets in African languages, negative, neutral or positive; a task is a language.

Muhammad et al. (2023), AfriSenti: a Twitter sentiment analysis benchmark for African languages. A
task is drawn from one language, K tweets of each class, and languages are left out: those that are
tested, or validated, were never seen in training. Classes have the same number in every task.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import UserError, nearest
from workbench.tasks import data
from workbench.tasks.base import Shape, Split
from workbench.tasks.sampler import ClassSplit
from workbench.tasks.text import Texts, plain, read_pairs, text_bank

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
LABELS = ("negative", "neutral", "positive")
PARTS = ("train", "dev", "test")  # of a language's files; they are put together
LENGTH = 140  # characters; one tweet in ten of the longest language goes on
_DEFAULT = ("pcm", "tso")  # tested unless others are named


def open_afrisenti(options: list[str]) -> Texts:
    """Sentiment in languages left out: those that are named, by default pcm and tso.

    The language that follows the tested ones by name validates, and the others train.
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
    validated = next((one for one in rest if one > tested[-1]), rest[0])
    splits: dict[Split, ClassSplit] = {}
    names = {f"{language}/{label}": language for language in LANGUAGES for label in LABELS}
    texts = {language: read_language(language) for language in LANGUAGES}
    bank = text_bank(
        {name: texts[language][name.split("/")[1]] for name, language in names.items()},
        tuple(names.values()),
        LENGTH,
    )
    own: dict[Split, list[str]] = {
        "train": [one for one in rest if one != validated],
        "validation": [validated],
        "test": tested,
    }
    for split, languages in own.items():
        splits[split] = ClassSplit.of(
            [row for row, language in enumerate(names.values()) if language in languages]
        )
    return Texts(
        bank,
        splits,
        name="afrisenti",
        scheme="/".join(["leave-out", *(tested if options else [])]),
        within_groups=True,
        ordered=True,
        default_shape=Shape(ways=len(LABELS), shots=5, queries=15),
    )


def read_language(language: str) -> dict[str, list[str]]:
    """A language's tweets of each label; one that stands twice has the label that it had first."""
    labels: dict[str, str] = {}
    for part in PARTS:
        path = data.require("afrisenti", f"afrisenti/{language}/{part}.tsv")
        for label, tweets in read_tweets(path).items():
            for tweet in tweets:
                labels.setdefault(plain(tweet)[:LENGTH], label)
    return {label: [t for t, own in labels.items() if own == label] for label in LABELS}


def read_tweets(path: Path) -> dict[str, list[str]]:
    """The tweets of each label in a file; what is not in its form is refused in a sentence."""
    cure = "run `workbench data fetch afrisenti`, or get the file again"
    return read_pairs(path, ("tweet", "label"), LABELS, cure)
