"""How the ranks of a training come about: torchrun has started them, or rank 0 does, here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from workbench.errors import UserError
from workbench.training.group import PATIENCE, Group

_LEAVING_SECONDS = 5.0  # for those started here to end by themselves
_HERE = "127.0.0.1"
_FOLLOW = "import sys; from workbench.training.following import follow; sys.exit(follow())"


def launched() -> bool:
    """Whether torchrun has started this process as one of several ranks."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def count_of(ranks: int) -> int:
    """How many ranks a training asked for with so many has.

    >>> count_of(1)
    1
    """
    if ranks < 1:
        raise UserError(f"ranks is {ranks}: it must be at least 1")
    if not launched():
        return ranks
    size, rank = (int(os.environ[name]) for name in ("WORLD_SIZE", "RANK"))
    if ranks > 1:
        raise UserError(f"torchrun has started {size} ranks already: leave --ranks out")
    if rank > 0:
        raise UserError(
            f"this process is rank {rank} of torchrun, and rank 0 trains: start the command line, "
            "torchrun … -m workbench train …"
        )
    return size


@contextmanager
def group_of(ranks: int) -> Iterator[Group | None]:
    """The group of so many ranks, with this process as rank 0; None of one. They end with it."""
    if ranks == 1:
        yield None
        return
    if dist.is_initialized():
        raise UserError(
            "this process has a group of torch.distributed already, and can be in one only: end "
            "that training first, or train in another process"
        )
    group = joined() if launched() else _started(ranks)
    try:
        yield group
    except BaseException:
        group.leave("")
        for process in group.processes:
            process.kill()
        raise
    else:
        group.leave("")
    finally:
        for process in group.processes:
            try:
                process.wait(_LEAVING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdin is not None
            process.stdin.close()


def joined() -> Group:
    """The group that the environment of this process names, as torchrun sets it."""
    told = {name: int(os.environ[name]) for name in (
        "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")}  # fmt: skip
    store = dist.TCPStore(
        os.environ["MASTER_ADDR"], told["MASTER_PORT"], is_master=False, timeout=PATIENCE
    )
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # one store serves them all
    return Group(
        dist.PrefixStore(f"workbench {attempt}", store),
        told["RANK"],
        told["WORLD_SIZE"],
        local=told["LOCAL_RANK"],
        beside=told["LOCAL_WORLD_SIZE"],
    )


def _started(ranks: int) -> Group:
    """So many ranks on this machine, found at an address that no other machine reaches."""
    listening = socket.create_server((_HERE, 0))  # torch's own would listen on every address
    port = listening.getsockname()[1]
    store = dist.TCPStore(
        _HERE,
        port,
        is_master=True,
        wait_for_workers=False,
        timeout=PATIENCE,
        master_listen_fd=listening.detach(),
    )
    common = {"MASTER_ADDR": _HERE, "MASTER_PORT": str(port)}
    common |= {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _FOLLOW],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,  # which closes with this process, whatever ends it
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for rank 0, which ends them
        )
        for rank in range(1, ranks)
    ]
    whole = dist.PrefixStore("workbench 0", store)
    return Group(whole, 0, ranks, local=0, beside=ranks, processes=processes)
