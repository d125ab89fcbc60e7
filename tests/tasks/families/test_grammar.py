"""The grammar of intents: the same sentences everywhere, and domains that are of one split."""

from __future__ import annotations

import hashlib

from workbench.tasks import Shape, open_tasks
from workbench.tasks.families import grammar
from workbench.tasks.sampler import FewShot
from workbench.tasks.text import decoded

SHA256 = "6c5ed1d44a03c5031fe98627075066072de23414bf7bc274d30531097aa27c6b"


def test_the_sentences_are_pinned_and_stand_on_the_card() -> None:
    bank = grammar.grammar_bank()
    texts = "\n".join(decoded(row) for row in bank.x)
    found = hashlib.sha256("\n".join([*bank.names, texts]).encode()).hexdigest()
    assert found == SHA256
    from workbench.resources import resources

    assert SHA256 in (resources("data") / "grammar.toml").read_text()


def test_every_intent_has_as_many_sentences_and_all_differ() -> None:
    bank = grammar.grammar_bank()
    assert bank.counts.tolist() == [grammar.SENTENCES] * 240
    assert len(set(bank.names)) == 240
    for start in bank.starts[:20].tolist():
        texts = {decoded(row) for row in bank.x[start : start + grammar.SENTENCES]}
        assert len(texts) == grammar.SENTENCES


def test_domains_belong_to_one_split() -> None:
    tasks = open_tasks("grammar")
    assert isinstance(tasks, FewShot)
    domains = {
        split: {tasks.bank.groups[row] for row in part.classes.tolist()}
        for split, part in tasks.splits.items()
    }
    assert {split: len(own) for split, own in domains.items()} == grammar.DIVISION
    assert len(set.union(*domains.values())) == 10


def test_typos_keep_the_ends_of_a_word() -> None:
    draws = [n / 1000 * grammar.TYPOS for n in range(1000)]
    made = {grammar._typed("cancel", iter([draw])) for draw in draws}
    assert {word[0] for word in made} == {"c"}
    assert {"acncel", "cancel"}.isdisjoint(made - {"cancel"})
    assert {len(word) for word in made} <= {5, 6, 7}
    assert grammar._typed("cancel", iter([0.9])) == "cancel"
    assert grammar._typed("the", iter([0.0])) == "the"


def test_a_task_is_sampled_from_it() -> None:
    episode = open_tasks("grammar").sample(3, seed=1, split="test", shape=Shape(5, 5, 15))
    assert episode.query.x.shape == (3, 75, grammar.LENGTH)
