"""workbench data list, data fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.errors import UserError, nearest


@command
def data(arguments: list[str]) -> int:
    """List data sets, or fetch one."""
    actions = {"list": _list, "fetch": _fetch}
    if arguments[:1] in (["-h"], ["--help"]):
        say("usage: workbench data list [--json]")
        say("       workbench data fetch NAME [--from DIR]")
        return 0
    if not arguments or arguments[0] not in actions:
        wrong = f"not '{arguments[0]}': {nearest(arguments[0], list(actions))}" if arguments else ""
        raise UserError(f"data needs 'list' or 'fetch NAME' {wrong}".strip())
    actions[arguments[0]](arguments[1:])
    return 0


def _list(arguments: list[str]) -> None:
    from workbench.tasks import file_of, own_lines
    from workbench.tasks.data import describe

    def form(*, json: bool = False) -> None:
        """The data sets, where they are, and how to get what is missing; then tasks of your own.

        Args:
            json: one JSON object on standard output
        """
        rows = describe()
        own = own_lines()
        if json:
            mine = {
                name: {"name": name, "title": line, "where": str(file_of(name))}
                for name, line in own.items()
            }
            say_json({row["name"]: row for row in rows} | mine)
            return
        for row in rows:
            say(f"{row['name']}: {row['title']} ({row['licence']}); {row['where']}")
            if row["get"]:
                say(f"    {row['get']}")
        for name, line in own.items():
            say(f"{name}: {line}; {file_of(name)}")

    parse(form, arguments, "data list")


def _fetch(arguments: list[str]) -> None:

    from workbench.tasks.data import fetch

    def form(
        name: str,
        /,
        *,
        source: Annotated[Path | None, tyro.conf.arg(name="from")] = None,
    ) -> None:
        """Fetch a data set, with its licence and checksum, or take it from a local folder.

        Args:
            name: the data set, see `workbench data list`
            source: a folder that has its files
        """
        if source is not None and not source.is_dir():
            raise UserError(f"there is no folder {source}: name one that has the files of {name}")
        fetch(name, source, say=note)

    parse(form, arguments, "data fetch")
