"""The comments on a class's fields: a setting's help, written where the setting is."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping


def help_of(cls: type, name: str) -> str:
    """The comment behind a field, or above it, in the class or one that it inherits from.

    >>> from workbench.algorithms import MAMLSettings
    >>> help_of(MAMLSettings, "train_steps")
    'inner steps in training'
    """
    return next((found[name] for c in cls.__mro__ if name in (found := _comments(c))), "")


@functools.cache
def _comments(cls: type) -> dict[str, str]:
    """The comments on the fields that a class itself annotates."""
    import ast
    import io
    import tokenize

    source = _source(cls)
    tree = ast.parse(source)
    bodies = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == cls.__name__]
    if not bodies:
        return {}
    behind: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines = alone if token.line.lstrip().startswith("#") else behind
            lines[token.start[0]] = token.string.lstrip("#: ").rstrip()
    found = {}
    for node in bodies[-1].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.end_lineno or node.lineno
            words = [behind[line] for line in range(node.lineno, last + 1) if line in behind]
            if not words:
                words = list(_above(alone, node.lineno))[::-1]
            if words:
                found[node.target.id] = " ".join(words)
    return found


def _above(alone: Mapping[int, str], line: int) -> Iterator[str]:
    while line - 1 in alone:
        line -= 1
        yield alone[line]


def _source(cls: type) -> str:
    """The text that defines a class, in a file or in a notebook's cell; empty where it is lost."""
    import inspect
    import linecache
    import textwrap

    try:
        return textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # a class of a notebook has no file, but its methods know the cell
        for member in vars(cls).values():
            if inspect.isfunction(member) and member.__qualname__.startswith(cls.__name__):
                lines = linecache.getlines(member.__code__.co_filename)
                if lines:
                    return "".join(lines)
    return ""
