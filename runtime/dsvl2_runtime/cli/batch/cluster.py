"""A batch on several machines: Ray Data gives each worker one model, and does again what a lost worker had in hand.

The workers need this program, the model under the same name or path, and the folder under the same path. Ray trusts
everything within its cluster, and so has whoever starts one.

The password of a protected PDF is not sent: Ray keeps what it sends in the memory and, if that is full, on the disks of
all machines, and encrypts nothing unless it is told to. Each worker reads the file of `--pdf-password-file` under its
path, or the variable that it was started with.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from dsvl2_runtime.cli.batch.asker import Asker, Line
from dsvl2_runtime.cli.batch.files import Found
from dsvl2_runtime.cli.batch.question import BatchQuestion
from dsvl2_runtime.cli.stop_signals import Terminated
from dsvl2_runtime.errors import ModelCorruptError, ResourceError

if TYPE_CHECKING:
    from dsvl2_runtime.cli.batch.verb import Waiting

LOCAL = "local"
"""The address of a cluster of this machine alone, which is begun for the run."""
CONNECT_SECONDS = 10.0
END_SECONDS = 10.0
"""Until processes that were killed are gone, which takes hundredths of one."""
NOWHERE = "http://127.0.0.1:9"
NO_REPORTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The head of a cluster says even so that its statistics are off, and asks clouds whether it runs in one of them.
    "RAY_USAGE_STATS_REPORT_URL": NOWHERE,
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "NO_PROXY": "127.0.0.1,localhost",
}
"""Variables with which a head is begun that sends nothing to anybody outside its cluster."""
ONLY_HERE = {
    # Its name is that of two systems, but on Linux as well 0 keeps all of Ray's sockets on 127.0.0.1; without it they
    # listen on all networks of the machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Other users of the machine could give it work. Without a token of ours Ray keeps one in the home folder, which
    # these users can read.
    "RAY_AUTH_MODE": "token",
}
"""Variables with which a cluster of this machine alone is begun, beside a token."""
LONGEST_TEMPORARY = 22
"""Bytes of the temporary folder's name: with what is below it, the names of Ray's sockets are 103 long, all that macOS
allows."""
AGAIN = "call this again, it goes on where it was"


class Worker:
    """A model in a worker, which takes one file after the other."""

    def __init__(self, question: BatchQuestion, threads: int) -> None:
        from dsvl2_runtime.model import load_model

        options = question.options
        model = load_model(options.model, options.threads or threads, force=options.force, provider=options.provider)
        self._asker = Asker(model, question)

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines about one file, each as a row."""
        found = Found(os.fsdecode(row["name"]), Path(os.fsdecode(row["path"])))
        parts: list[list[int | None]] = json.loads(row["parts"])
        lines = list(self._asker.lines(found, {(page, strip) for page, strip in parts}))
        return [{"number": row["number"], "lines": json.dumps(lines)}]


def ask_on_cluster(
    address: str, question: BatchQuestion, mark: str, waiting: Sequence[Waiting]
) -> Iterator[tuple[Found, list[Line]]]:
    """The lines of one file after the other, in the order in which they are done.

    Args:
        address: of the head of a Ray cluster, or `LOCAL`.
        question: that is asked.
        mark: of the question to the model that this machine has (`BatchQuestion.mark`).
        waiting: the files.

    Raises:
        ResourceError: there is no cluster, it has no worker, or all of them are lost.
        ModelCorruptError: a worker has another model under this name.
        MissingExtraError: ray is not installed.
    """
    question = with_whole_paths(question)
    with connected(address) as ray:
        nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        processors = [int(count) for count in nodes if count >= 1]
        if not processors:
            raise ResourceError(f"the cluster at {address} has no worker with a processor; add one with `ray start`")
        rows = [
            {
                "number": number,
                "name": os.fsencode(item.found.name),
                "path": os.fsencode(item.found.path.absolute()),
                "parts": json.dumps(list(item.parts)),
            }
            for number, item in enumerate(waiting)
        ]
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        lines = data.flat_map(
            Worker,
            fn_constructor_args=(question, min(processors)),
            compute=ray.data.ActorPoolStrategy(size=min(len(processors), len(rows))),
            num_cpus=min(processors),  # all that the smallest machine has, so that no two models share one
        )
        try:
            for row in lines.iter_rows():
                about: list[Line] = json.loads(row["lines"])
                if any(line["run"] != mark for line in about):
                    model = Path(question.options.model)
                    raise ModelCorruptError(model, "a worker has another model of this name", "copy it to all workers")
                yield waiting[row["number"]].found, about
        except ray.exceptions.RayError as error:
            raise ResourceError(f"the cluster at {address} failed: {_said(error)}; {AGAIN}") from error


def with_whole_paths(question: BatchQuestion) -> BatchQuestion:
    """A worker has another working folder, and may belong to another user."""
    file = question.options.pdf_password_file
    if file is None:
        return question
    return replace(
        question, options=replace(question.options, pdf_password_file=str(Path(file).expanduser().absolute()))
    )


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected; nothing is reported to its makers, and one line is printed, about its level of logging.

    The cluster of this machine alone can be reached from this machine only, with its token where this Ray knows tokens
    (2.40 does not), and nothing stays of it.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address == LOCAL:
        os.environ |= NO_REPORTS | ONLY_HERE | {"RAY_AUTH_TOKEN": secrets.token_hex()}
    import ray
    import ray.data

    own: dict[str, Any] = {}
    with ExitStack() as at_end:
        if address == LOCAL:
            own = {"include_dashboard": False, "_temp_dir": at_end.enter_context(_folder())}
        elif "://" not in address:
            _reach(address)
        # Also of what has begun where the rest does not.
        at_end.callback(_shut_down, ray, psutil.Process().children(recursive=True))
        try:
            with _own_sigterm():
                ray.init(address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR, **own)
        except Exception as error:  # Ray has no base class of these, and says with a plain one that nodes do not start
            raise ResourceError(f"cannot use the cluster at {address}: {_said(error)}") from error
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        yield ray


def _shut_down(ray: Any, before: Sequence[psutil.Process]) -> None:
    """End Ray and all that it began; its agents look only now and then whether their server lives, and write meanwhile.

    Args:
        ray: the module.
        before: the processes below this one from before Ray was begun.
    """
    begun = set(psutil.Process().children(recursive=True)) - set(before)
    try:
        ray.shutdown()
    finally:  # also where a second signal comes
        for process in begun:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    psutil.wait_procs(list(begun), timeout=END_SECONDS)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """SIGTERM keeps its meaning: Ray takes it, ends the program with 15, and prints where its own code was."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ended:
        raise Terminated from ended
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _folder() -> tempfile.TemporaryDirectory[str]:
    """For sockets and logs of a cluster of this machine alone: readable for this user only, and removed after it."""
    short = sys.platform == "win32" or len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TEMPORARY
    return tempfile.TemporaryDirectory(
        prefix="dsvl2-",
        dir=None if short else "/tmp",  # noqa: S108 - the name in it is a new one
        ignore_cleanup_errors=True,
    )


def _reach(address: str) -> None:
    """Ray would try for a minute where nobody listens."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        advice = "give HOST:PORT of the head of a Ray cluster, or local"
        raise ResourceError(f"there is no cluster at {address!r} ({error}); {advice}") from error


def _said(error: Exception) -> str:
    """The last line of what Ray says, which is that of the error in the worker."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
