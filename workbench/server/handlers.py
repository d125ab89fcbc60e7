"""The addresses below /workbench: what is read is got, what changes something is posted.

Who asks is known by the server, as for its own addresses: login or token, and the XSRF cookie. What
takes long runs beside the server's loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from workbench.errors import UserError
from workbench.server import acting
from workbench.server.documents import receipt_of, run_document
from workbench.server.experiment import (
    Presets,
    copied,
    looking_at,
    notebook_of,
    shipped_notebooks,
)
from workbench.server.looking import Lookout
from workbench.server.messages import Asked, Done

_USUAL: Asked = {
    "preset": "",
    "seed": 0,
    "threads": 1,
    "device": "cpu",
    "style": "one column",
    "budget": 256,
}
_MOST = 2**31 - 1


def asked_of(body: Any) -> Asked:
    """What a new experiment is asked to be made with, of which nothing is believed.

    >>> asked_of({"preset": "sinusoid-maml", "seed": 3})["seed"]
    3
    """
    if not isinstance(body, Mapping):
        raise UserError("an experiment is asked for by a JSON object")
    asked: Any = {**_USUAL, **{k: v for k, v in body.items() if k in _USUAL}}
    for name, usual in _USUAL.items():
        value = asked[name]
        good = isinstance(value, type(usual)) and not isinstance(value, bool)
        if good and isinstance(value, int):
            good = (1 if name in ("threads", "budget") else 0) <= value <= _MOST
        if good and isinstance(value, str) and name in ("preset", "device"):
            good = bool(value) and all(c.isalnum() or c in "-_:." for c in value)
        if not good or (isinstance(value, str) and value.startswith("-")):
            raise UserError(f"{name} is {value!r}, which an experiment cannot be made with")
    return asked


class _Handler(APIHandler):
    auth_resource = "workbench"

    def initialize(self, root: Path, lookout: Lookout, presets: Presets) -> None:
        self.root, self.lookout, self.presets = root, lookout, presets

    async def answer(self, work: Callable[[], Any]) -> None:
        """What `work` gives, which runs beside the loop; a mistake is said in its sentence."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(None, work)
        except UserError as error:
            raise web.HTTPError(400, str(error)) from None
        self.finish(json.dumps(found))


class RunsHandler(_Handler):
    """GET: a page of the runs."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        asked = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        await self.answer(lambda: self.lookout.page(asked))


class RunHandler(_Handler):
    """GET: a run as a document, or of that only what is new since a mark."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        place, mark = self.get_query_argument("place"), self.get_query_argument("mark", "")
        await self.answer(lambda: run_document(self.root, self.lookout, place, mark))


class ReceiptHandler(_Handler):
    """GET: the receipt in a figure's file."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        place = self.get_query_argument("place")
        await self.answer(lambda: receipt_of(self.root, self.lookout, place))


class ActingHandler(_Handler):
    """POST: something done to one run."""

    @web.authenticated
    @authorized
    async def post(self, what: str) -> None:
        body = self.get_json_body() or {}
        place = body.get("place") if isinstance(body, dict) else None
        if not isinstance(place, str):
            raise web.HTTPError(400, "say which run by its place")
        await self.answer(lambda: getattr(acting, what)(self.root, place))


class PresetsHandler(_Handler):
    """GET: the presets that a new experiment can start from."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.answer(self.presets.choices)


class StartHandler(_Handler):
    """POST: a new training."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body()
        await self.answer(lambda: acting.start(self.root, self.presets, asked_of(body)))


class NotebookHandler(_Handler):
    """POST: the notebook of a new experiment, or of a look at runs, which is written nowhere."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body() or {}

        def work() -> Done:
            if isinstance(body, dict) and "places" in body:
                return {"place": "", "undo": "", "content": looking_at(body["places"])}
            asked = asked_of(body)
            content = notebook_of(asked, self.presets.iterations(asked["preset"]))
            return {"place": "", "undo": "", "content": content}

        await self.answer(work)


class ShippedHandler(_Handler):
    """GET: the notebooks that come with the workbench. POST: one of them, copied if need be."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.answer(shipped_notebooks)

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body()
        name = body.get("name") if isinstance(body, dict) else None
        await self.answer(lambda: copied(self.root, str(name)))


def add_handlers(app: web.Application, root: str) -> None:
    """Add ours to a server's addresses."""
    folder = Path(root).expanduser().resolve()
    known = {"root": folder, "lookout": Lookout(folder), "presets": Presets(folder)}
    base = url_path_join(app.settings["base_url"], "workbench")
    addresses: list[tuple[str, Any]] = [
        ("/runs", RunsHandler),
        ("/run", RunHandler),
        ("/receipt", ReceiptHandler),
        ("/runs/(stop|resume|delete|restore)", ActingHandler),
        ("/runs/start", StartHandler),
        ("/presets", PresetsHandler),
        ("/notebook", NotebookHandler),
        ("/notebooks", ShippedHandler),
    ]
    app.add_handlers(".*$", [(base + path, handler, known) for path, handler in addresses])
