"""workbench runs: what there is, and a run under another name, with a note, away and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.errors import UserError


@command
def runs(arguments: list[str]) -> int:
    """List runs, or change how they lie."""

    def form(
        folder: Path = Path("runs"),
        /,
        *,
        rename: tuple[str, str] | None = None,
        annotate: tuple[str, str] | None = None,
        delete: str | None = None,
        restore: str | None = None,
        json: bool = False,
    ) -> None:
        """The runs in a folder: state, outer step, last validation and note.

        Args:
            folder: where run directories lie
            rename: a run's name, and the new one
            annotate: a run's name, and a note on it; an empty one takes it away
            delete: a run's name; it goes to the folder .trash, from where it can be restored
            restore: the name of a run that was deleted
            json: one JSON object on standard output
        """
        from workbench.standing import TRASH
        from workbench.training import Run

        if sum(asked is not None for asked in (rename, annotate, delete, restore)) > 1:
            raise UserError("give one of --rename, --annotate, --delete, --restore at a time")
        if rename is not None:
            note(f"{Run.open(folder / rename[0]).rename(rename[1]).directory}")
        elif annotate is not None:
            Run.open(folder / annotate[0]).annotate(annotate[1])
        elif delete is not None:
            gone = Run.open(folder / delete).delete().directory
            note(f"{gone}: bring it back with: workbench runs {folder} --restore {gone.name}")
        elif restore is not None:
            note(f"{Run.open(folder / TRASH / restore).restore().directory}")
        elif json:
            say_json({one["name"]: one for one in _listed(folder)})
        else:
            for one in _listed(folder):
                say("  ".join(filter(None, (f"{one['name']:<32}", one["state"], _words(one)))))

    parse(form, arguments, "runs")
    return 0


def _listed(folder: Path) -> list[dict[str, Any]]:
    from workbench.session.following import found_in

    return [{"name": name, **one.summary()} for name, one in found_in(folder).items()]


def _words(one: dict[str, Any]) -> str:
    parts = [f"outer step {one['iteration']:,} of {one['iterations']:,}"]
    if one["last"]:
        parts.append(f"validation {one['last']['metric']} {one['last']['value']:.4g}")
    if one["note"]:
        parts.append(" ".join(one["note"].split()))
    return "; ".join(parts)
