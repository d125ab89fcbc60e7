"""The one exception that means 'the user can mend this'."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake the user can mend: one sentence saying what is wrong, where, and the cure.

    The command line prints it in one line and exits with 2; a panel shows it in place, and a
    notebook's cell without the frames that it came through.

    >>> raise UserError("ways is 9 but the split 'test' has 3 classes: ask for at most 3")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: ways is 9 but the split 'test' has 3 classes: ask for at most 3
    """

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython prints in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def nearest(word: str, known: list[str]) -> str:
    """The cure for a misspelt name: the nearest known one, or all of them.

    >>> nearest("omniglott", ["omniglot", "glyphs"])
    "did you mean 'omniglot'?"
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"choose one of {', '.join(sorted(known))}"
