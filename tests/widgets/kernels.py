"""A real kernel process, spoken to as JupyterLab does: cells, and a panel's messages."""

from __future__ import annotations

import ast
import json
import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

SECONDS = 60


class Kernel:
    """Runs cells, and talks to the panels that they made."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.answers: dict[int, dict[str, Any]] = {}  # of panels, by the number of the question
        self.ended: list[str] = []  # what ended, in order: cells by their message, 'answer 3', ...
        self._asked = 0

    # ---- cells ----------------------------------------------------------------------------------

    def start(self, code: str, cell: str = "", **more: Any) -> str:
        """Send a cell and do not wait; its message id."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        content |= {"user_expressions": {}, "stop_on_error": True} | more
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def run(self, code: str, cell: str = "") -> None:
        """Run a cell to its end; it may not fail."""
        self._reply(self.start(code, cell))

    def value(self, expression: str) -> Any:
        """What an expression is, as plain data."""
        wanted = {"value": f"__import__('json').dumps({expression})"}
        sent = self.start("", user_expressions=wanted, store_history=False)
        found = self._reply(sent)["user_expressions"]["value"]
        assert found["status"] == "ok", found
        return json.loads(ast.literal_eval(found["data"]["text/plain"]))

    def _reply(self, message_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while True:
            reply = self.client.get_shell_msg(timeout=deadline - time.monotonic())
            if reply["parent_header"].get("msg_id") == message_id:
                content = reply["content"]
                assert content["status"] == "ok", "\n".join(content.get("traceback", []))
                return content

    # ---- panels ---------------------------------------------------------------------------------

    def subshell(self) -> str:
        """A new subshell of the kernel; its id."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        reply = self.client.get_control_msg(timeout=SECONDS)
        return reply["content"]["subshell_id"]

    def ask(self, panel: str, command: str, subshell: str = "", **args: Any) -> int:
        """Send a panel a command and do not wait; the question's number."""
        self._asked += 1
        content = {"id": self._asked, "command": command, "args": args}
        self._send(panel, {"method": "custom", "content": content}, subshell)
        return self._asked

    def set(self, panel: str, subshell: str = "", **traits: Any) -> None:
        """Set synced traits of a panel, as the browser does."""
        data = {"method": "update", "state": traits, "buffer_paths": []}
        self._send(panel, data, subshell)

    def _send(self, panel: str, data: dict[str, Any], subshell: str) -> None:
        message = self.client.session.msg("comm_msg", {"comm_id": panel, "data": data})
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def wait(self, *numbers: int, cells: tuple[str, ...] = ()) -> None:
        """Read what the kernel says until these are answered and these cells have ended."""
        deadline = time.monotonic() + SECONDS
        while set(numbers) - set(self.answers) or set(cells) - set(self.ended):
            try:
                message = self.client.get_iopub_msg(timeout=deadline - time.monotonic())
            except queue.Empty:
                raise AssertionError(f"no answer to {set(numbers) - set(self.answers)}") from None
            content, kind = message["content"], message["header"]["msg_type"]
            if kind == "comm_msg" and content["data"].get("method") == "custom":
                answer = content["data"]["content"]
                self.answers[answer["id"]] = answer
                self.ended.append(f"answer {answer['id']}")
            elif kind == "status" and content["execution_state"] == "idle":
                self.ended.append(message["parent_header"].get("msg_id", ""))


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """A fresh kernel that works in a folder, gone at the end."""
    manager = KernelManager(kernel_name="python3")
    root = str(Path(__file__).parent.parent.parent)
    env = {**os.environ, "PYTHONPATH": root, "IPYTHONDIR": str(folder / "ipython")}
    manager.start_kernel(cwd=str(folder), env=env)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=SECONDS)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
