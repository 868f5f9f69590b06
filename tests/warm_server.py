"""A process that has loaded Python, torch and rnnstudio, and forks once for each command it is asked to run.

    python -P tests/warm_server.py FD

FD is a socket. `{"start": [words], "cwd", "environment", "before"}`, sent with the three files to be stdin, stdout and
stderr, is answered by the new process's id; `{"reap": id}` by its exit code, or null while it runs. See tests/warm.py.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import socket
import sys
from contextlib import suppress
from typing import Any

LOADED = (
    "numpy.ma",
    "numpy.random",
    "pydantic",
    "pydivsufsort",
    "torch.distributed",
    "corpora.genres.abc_tunes",
    "corpora.genres.prose",
    "engine.sampling.beam",
    "engine.sampling.stuck",
    "engine.tokenizers.char",
    "engine.training.launch",
    "engine.training.trainer",
    "rnnstudio.cli",
    "rnnstudio.narration",
    "rnnstudio.commands.resume",
    "rnnstudio.commands.sample",
    "rnnstudio.commands.train",
)


def serve(channel: socket.socket) -> dict[str, Any]:
    """Answer until the other end is closed. Comes back in each new process, with what it is to run."""
    while True:
        message, files, _, _ = socket.recv_fds(channel, 1 << 20, 3)
        if not message:
            sys.exit()
        request: dict[str, Any] = json.loads(message)
        if "reap" in request:
            pid, status = os.waitpid(request["reap"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                for number, file in enumerate(files):
                    os.dup2(file, number)
            for file in files:
                os.close(file)
            if answer == 0:
                channel.close()
                return request
        channel.send(json.dumps(answer).encode())


def main() -> None:
    for name in LOADED:
        with suppress(ModuleNotFoundError):  # nor need the children have it
            importlib.import_module(name)
    gc.freeze()  # the children share these pages
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.argv[1:] = request["start"]
    # What they were opened on at the start is another kind of file.
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in enumerate("rww")
    )
    exec(request["before"])
    runpy.run_module("rnnstudio", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
