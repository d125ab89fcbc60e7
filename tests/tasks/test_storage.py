"""Episodes in files: the same bits come back, and a bad file is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass

import pytest
import torch

from workbench.errors import UserError
from workbench.files import read_tensors, save_tensors
from workbench.tasks import Episode, Shape, load_episode, open_tasks, save_episode
from workbench.tasks.control.environment import Discrete


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("sinusoid", Shape(1, 3, 4)),
        ("digits", Shape((2, 3), (1, 2), 2)),
        ("bandit", Shape(3, 4, 0)),
        ("mdp", Shape(3, 4, 0)),
        ("navigation", Shape(2, 4, 0)),
    ],
)
def test_an_episode_comes_back_bit_for_bit(tmp_path, name, shape):
    episode = open_tasks(name).sample(3, seed=5, split="test", shape=shape)
    again = load_episode(save_episode(tmp_path / "some" / "a.episode", episode))
    assert again.tensors().keys() == episode.tensors().keys()
    for key, tensor in episode.tensors().items():
        assert torch.equal(again.tensors()[key], tensor)
        assert again.tensors()[key].dtype == tensor.dtype
    assert again.ways == episode.ways
    assert again.env == episode.env
    assert again.info["dataset"] == name
    assert again.sha256() == episode.sha256()


def test_an_edited_episode_keeps_its_edit(tmp_path):
    episode = open_tasks("sinusoid").sample(1, seed=0)
    edited = episode.with_tensors(episode.tensors() | {"support.y": episode.support.y + 1})
    again = load_episode(save_episode(tmp_path / "a", edited))
    assert torch.equal(again.support.y, episode.support.y + 1)


def test_a_bandit_of_an_older_file_is_read(tmp_path):
    """Its starting state held what is its task's now, and its dynamics counted the actions."""
    episode = open_tasks("bandit").sample(3, seed=5, shape=Shape(3, 4, 0))
    _, header = read_tensors(save_episode(tmp_path / "new", episode), kind="episode", schema=1)
    assert header["episode"]["environment"] == {"type": "BernoulliBandit", "arms": 3, "horizon": 4}
    tensors = {
        "seed": episode.seed,
        "state.means": episode.task["means"],
        "state.pulls": torch.zeros(3, dtype=torch.long),
    }
    old = {"type": "BernoulliBandit", "actions": 3, "horizon": 4, "observation_size": 1}
    header["episode"]["environment"] = old
    again = load_episode(save_tensors(tmp_path / "old", tensors, header, kind="episode"))
    assert again.env == episode.env
    assert again.sha256() == episode.sha256()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "Repeated"}, "no environment Repeated"),  # a trial of trials
        ({"states": 0}, "environment.states is 0"),
        ({"choices": 4}, "pays is no"),
        ({"more": 1}, "damaged or no episode file"),
    ],
)
def test_a_trial_that_is_none_is_refused(tmp_path, change, said):
    episode = open_tasks("mdp").sample(2, seed=5, shape=Shape(3, 4, 0))
    tensors, header = read_tensors(save_episode(tmp_path / "a", episode), kind="episode", schema=1)
    trial = header["episode"]["environment"]
    assert trial["type"] == "Repeated"
    trial["env"] |= change
    with pytest.raises(UserError, match=said):
        load_episode(save_tensors(tmp_path / "b", tensors, header, kind="episode"))
    trial["episodes"] = 0
    with pytest.raises(UserError, match="a trial has no episodes"):
        load_episode(save_tensors(tmp_path / "b", tensors, header, kind="episode"))


def test_damaged_truncated_foreign_and_newer_files_are_refused(tmp_path):
    path = tmp_path / "a.episode"
    save_episode(path, open_tasks("sinusoid").sample(1, seed=0))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    for content in (whole[:-8], whole[:40], b"", bytes(flipped), b"\x80\x04pickle" * 9):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged or no episode file"):
            load_episode(path)
    with pytest.raises(UserError, match="there is no file"):
        load_episode(tmp_path / "b")
    save_tensors(path, {}, {"schema": 2}, kind="episode")
    with pytest.raises(UserError, match="newer workbench"):
        load_episode(path)
    save_tensors(path, {}, {"schema": 1}, kind="tape")
    with pytest.raises(UserError, match="no episode file"):
        load_episode(path)
    save_tensors(path, {}, {"schema": 1}, kind="episode")
    with pytest.raises(UserError, match="no episode file"):
        load_episode(path)


def test_what_is_no_plain_data_and_places_that_cannot_be_written(tmp_path):
    episode = open_tasks("sinusoid").sample(1, seed=0)
    odd = dataclasses.replace(episode, info={"object": object()})
    with pytest.raises(UserError, match="only plain data"):
        save_episode(tmp_path / "a", odd)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_episode(tmp_path / "file" / "a", episode)


def test_every_kind_of_tensor_comes_back(tmp_path):
    tensors = {
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "none": torch.zeros(0, 2),
        "flags": torch.tensor([True, False]),
        "shared": torch.ones(1).expand(3, 4),
        "whole": torch.arange(3),
        "odd": torch.arange(1).as_strided((1,), (0,)),  # a number that was broadcast
    }
    path = save_tensors(tmp_path / "a", tensors, {"schema": 1, "said": [1, "b"]}, kind="x")
    found, header = read_tensors(path, kind="x", schema=1)
    assert header == {"schema": 1, "said": [1, "b"]}
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor)
        assert found[name].shape == tensor.shape
    assert json.loads(json.dumps(header)) == header


@dataclass(frozen=True)
class Coin:
    """A user's own environment: one of two sides pays."""

    horizon: int
    actions = Discrete(2)
    observation_size = 1

    def reset(self, task, seed):
        return {"time": torch.zeros_like(seed)}, torch.zeros(*seed.shape, 1)

    def step(self, task, state, action, seed):
        time = state["time"] + 1
        reward = (action == task["side"]).float()
        return {"time": time}, torch.zeros(*seed.shape, 1), reward, time >= self.horizon


def test_an_environment_of_one_s_own_comes_back_where_its_class_is_imported(tmp_path, monkeypatch):
    seeds = torch.arange(3)
    episode = Episode(None, None, seeds, env=Coin(4), task={"side": seeds % 2})
    path = save_episode(tmp_path / "coin.episode", episode)
    assert load_episode(path).env == Coin(4)
    monkeypatch.delitem(sys.modules, Coin.__module__)
    absent = load_episode(path)
    assert absent.sha256() == episode.sha256()
    with pytest.raises(UserError, match="which its file only names"):
        absent.env.step(absent.task, {}, seeds, seeds)
    again = load_episode(save_episode(tmp_path / "again.episode", absent))
    assert again.env == absent.env


def test_an_environment_of_more_than_numbers_and_words_is_not_saved(tmp_path):
    seeds = torch.arange(3)
    episode = Episode(None, None, seeds, env=Coin(torch.ones(1)), task={"side": seeds % 2})
    with pytest.raises(UserError, match="Coin cannot be saved: make it a dataclass of numbers"):
        save_episode(tmp_path / "coin.episode", episode)
