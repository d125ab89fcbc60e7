"""Files of texts as they come: CLINC150's JSON, AfriSenti's tables; what is broken is refused.

Every refusal is one sentence with the place and the cure, and comes before anything is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from workbench.errors import UserError
from workbench.tasks.base import Split

LABELS = ("negative", "neutral", "positive")  # of AfriSenti's tweets

DOMAINS = {
    "banking": "freeze_account routing pin_change bill_due pay_bill account_blocked interest_rate "
    "min_payment bill_balance transfer order_checks balance spending_history transactions "
    "report_fraud",
    "credit_cards": "replacement_card_duration expiration_date damaged_card improve_credit_score "
    "report_lost_card card_declined credit_limit_change apr redeem_rewards credit_limit "
    "rewards_balance application_status credit_score new_card international_fees",
    "kitchen_and_dining": "food_last confirm_reservation how_busy ingredients_list calories "
    "nutrition_info recipe restaurant_reviews restaurant_reservation meal_suggestion "
    "restaurant_suggestion cancel_reservation ingredient_substitution cook_time "
    "accept_reservations",
    "home": "what_song play_music todo_list_update reminder reminder_update calendar_update "
    "order_status update_playlist shopping_list calendar next_song order todo_list "
    "shopping_list_update smart_home",
    "auto_and_commute": "current_location oil_change_when oil_change_how uber traffic "
    "tire_pressure schedule_maintenance gas mpg distance directions last_maintenance gas_type "
    "tire_change jump_start",
    "travel": "plug_type travel_notification translate flight_status international_visa timezone "
    "exchange_rate travel_suggestion travel_alert vaccines lost_luggage book_flight book_hotel "
    "carry_on car_rental",
    "utility": "weather alarm date find_phone share_location timer make_call calculator "
    "definition measurement_conversion flip_coin spelling time roll_dice text",
    "work": "pto_request_status next_holiday insurance_change insurance meeting_schedule payday "
    "taxes income rollover_401k pto_balance pto_request w2 schedule_meeting direct_deposit "
    "pto_used",
    "small_talk": "who_made_you meaning_of_life who_do_you_work_for do_you_have_pets "
    "what_are_your_hobbies fun_fact what_is_your_name where_are_you_from goodbye thank_you "
    "greeting tell_joke are_you_a_bot how_old_are_you what_can_i_ask_you",
    "meta": "change_speed user_name whisper_mode yes change_volume no change_language repeat "
    "change_accent cancel sync_device change_user_name change_ai_name reset_settings maybe",
}

_PARTS = ("train", "val", "test")  # of the file; which of them a sentence is in plays no part here
_OUT_OF_SCOPE: dict[Split, str] = {
    "train": "oos_train",
    "validation": "oos_val",
    "test": "oos_test",
}
_INTENTS_CURE = "run `workbench data fetch clinc150`, or get data_full.json again"


@dataclass(frozen=True)
class Intents:
    """CLINC150 as it was read: the sentences of each intent, and those out of scope."""

    sentences: Mapping[str, list[str]]
    outside: Mapping[Split, list[str]]


class Stamp(NamedTuple):
    """A file as it is now: what was read of it holds as long as this is the same."""

    path: Path
    changed: int
    size: int

    @staticmethod
    def of(path: Path) -> Stamp:
        """Of a file that is there."""
        about = path.stat()
        return Stamp(path, about.st_mtime_ns, about.st_size)


def read_text(path: Path, cure: str) -> str:
    """The text of a file in UTF-8; another encoding is refused, with the place and the cure."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 (byte {error.start}): {cure}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {cure}") from error


def read_json(path: Path, cure: str) -> Any:
    """What a JSON file holds; a broken one is refused, with the place and the cure."""
    text = read_text(path, cure)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): {cure}") from error


def read_pairs(
    path: Path, header: tuple[str, str], labels: Sequence[str], cure: str
) -> dict[str, list[str]]:
    """The texts of each label of a file of lines `text TAB label`, in the order of `labels`."""
    lines = read_text(path, cure).replace("\r\n", "\n").split("\n")
    if tuple(lines[0].split("\t")) != header:
        raise UserError(
            f"{path} begins with '{lines[0][:40]}' and not with the columns "
            f"{' and '.join(header)}, a tab between them: {cure}"
        )
    found: dict[str, list[str]] = {label: [] for label in labels}
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        text, _, label = line.rpartition("\t")
        if label not in found or not text.strip():
            raise UserError(
                f"line {number} of {path} is '{line[:40]}', and not a text, a tab and "
                f"{' or '.join(labels)}: {cure}"
            )
        found[label].append(text)
    empty = [label for label, texts in found.items() if not texts]
    if empty:
        raise UserError(f"{path} has no text labelled {empty[0]}: {cure}")
    return found


def read_intents(path: Path) -> Intents:
    """The sentences of `data_full.json`; what is not in its form is refused in a sentence."""
    held = read_json(path, _INTENTS_CURE)
    parts = [*_PARTS, *_OUT_OF_SCOPE.values()]
    if not isinstance(held, dict) or not set(parts) <= set(held):
        raise UserError(f"{path} has not the parts {', '.join(parts)}: {_INTENTS_CURE}")
    for part in parts:
        pairs = held[part]
        good = isinstance(pairs, list) and all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(w, str) for w in pair)
            for pair in pairs
        )
        if not good:
            raise UserError(f"'{part}' of {path} is no list of [sentence, intent]: {_INTENTS_CURE}")
    known = [intent for intents in DOMAINS.values() for intent in intents.split()]
    sentences: dict[str, list[str]] = {intent: [] for intent in known}
    for part in _PARTS:
        for sentence, intent in held[part]:
            if intent not in sentences:
                raise UserError(
                    f"'{part}' of {path} has the unknown intent '{intent}': {_INTENTS_CURE}"
                )
            sentences[intent].append(sentence)
    empty = [intent for intent, own in sentences.items() if not own]
    if empty:
        raise UserError(
            f"{path} has no sentence of {len(empty)} intents ('{empty[0]}' among them): "
            f"{_INTENTS_CURE}"
        )
    outside = {split: [one for one, _ in held[part]] for split, part in _OUT_OF_SCOPE.items()}
    return Intents(sentences, outside)


def read_tweets(path: Path) -> dict[str, list[str]]:
    """The tweets of each label in a file of AfriSenti."""
    cure = "run `workbench data fetch afrisenti`, or get the file again"
    return read_pairs(path, ("tweet", "label"), LABELS, cure)
