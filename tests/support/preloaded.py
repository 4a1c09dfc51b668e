"""The command line for scripts that call it often: each call is a process, but none loads anything.

A server has loaded the command line. The `callora-vault` that `preloaded` puts into a folder for
PATH hands over its arguments, environment, folder and streams; the server forks, and the fork runs
the command. What a page of docs/ says is run by the same `main`, without a second of imports each.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callora_vault.cli import app  # noqa: F401 - loaded before the first fork
from callora_vault.cli.__main__ import main

ROOT = Path(__file__).parents[2]
STREAMS = 3
LENGTH = 8
STARTED = b"!"
COMMAND = """\
#!{python} -ISE
import json, os, socket, sys
asked = json.dumps([sys.argv, dict(os.environ), os.getcwd()]).encode()
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
socket.send_fds(server, [len(asked).to_bytes({length}, "big")], [0, 1, 2])
server.sendall(asked)
sys.exit(server.recv(1)[0])
"""


@contextmanager
def preloaded(folder: Path) -> Iterator[Path]:
    """Put a `callora-vault` into a folder that starts at once, while the context lasts."""
    path = folder / "socket"
    command = folder / "callora-vault"
    command.write_text(COMMAND.format(python=sys.executable, path=str(path), length=LENGTH))
    command.chmod(0o755)
    server = [sys.executable, "-m", "tests.support.preloaded", str(path)]
    with subprocess.Popen(server, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.read(1) == STARTED
            yield folder
        finally:
            running.terminate()


def serve(path: str) -> None:
    """Fork for each connection, for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        os.write(1, STARTED)
        while True:
            asking, _ = listening.accept()
            with asking:
                if os.fork() == 0:
                    listening.close()
                    _answer(asking)


def _answer(asking: socket.socket) -> None:
    """Run what is asked for in this fork, answer with its exit code, and end the fork."""
    code = 1
    try:
        code = _run(asking)
        asking.sendall(bytes([code]))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _run(asking: socket.socket) -> int:
    size, streams, _, _ = socket.recv_fds(asking, LENGTH, STREAMS)
    with asking.makefile("rb") as told:
        arguments, environment, folder = json.loads(told.read(int.from_bytes(size, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        assert isinstance(ended.code, int)
        return ended.code


if __name__ == "__main__":
    serve(sys.argv[1])
