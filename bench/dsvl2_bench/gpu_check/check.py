"""Runs all stages, one process after the other, within eight minutes: `… dsvl2_bench.gpu_check.check FOLDER OUT`.

Whatever a stage prints is shown at once and kept in OUT (`record.Record`). A stage that hangs is ended with its process
alone. With the same OUT again, what other stages have found stays there, and the table is that of all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from dsvl2_bench.gpu_check.plan import GOALS, ROOM, SECONDS, SECONDS_OF_STAGE, expanded, limits
from dsvl2_bench.gpu_check.record import Line, Record, stderr_of

BUDGET_SECONDS = 470
LAST_SECONDS = 5
"""For a stage to end once it was told to."""
LEAST_SECONDS = 10
"""A stage that would have less is left out."""
SHOWN_STDERR = 3000
SHOWN_LINE = 6000
"""Characters."""
FIGURES = {
    "worst_of_all_steps", "tok_s", "decode_tok_s", "prefill_tok_s", "vision_s_per_tile", "first_token_s", "compared",
    "load_s", "tune_s", "between_steps_ms", "tiles_ms", "card_ms", "nodes_ms", "switched", "card", "taken_gb",
    "program_s", "untuned_tok_s", "untuned_first_token_s",
}  # fmt: skip
"""Lines with any of these are in the table."""
LONGEST_FIGURE, LONGEST_PROFILE = 400, 2000
"""Characters of a line in the table."""


def run_stage(
    name: str, folder: Path, out: Path, device: str, seconds: float, on_line: Callable[[Line], None] = lambda line: None
) -> list[Line]:
    """One stage in a process of its own, perhaps with a switch; its lines as they come, and last how it ended."""
    stage, _, switched = limits(name)
    command = [sys.executable, "-u", "-m", "dsvl2_bench.gpu_check.stages", stage, str(folder), "--device", device]
    said, start, lines = stderr_of(out, name), time.monotonic(), list[Line]()

    def keep(line: Line) -> None:
        lines.append(line)
        on_line(line)

    # A crash inside a library leaves a traceback of Python's side.
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1", SECONDS_OF_STAGE: str(seconds), **switched}
    # A stage that is killed cannot remove its gigabytes itself.
    room = tempfile.TemporaryDirectory(prefix="gpu-check-", dir=os.environ.get(ROOM), ignore_cleanup_errors=True)
    with said.open("wb") as errors, room as environment[ROOM]:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        reader = threading.Thread(target=_read, args=(process, name, keep), daemon=True)
        reader.start()
        timed_out = not _ends(process, seconds)
    reader.join(LAST_SECONDS)  # what it has started may hold its output open
    end: Line = {"stage": name, "ended": process.returncode, "s": round(time.monotonic() - start, 1)}
    if timed_out:
        end["timed_out"] = round(seconds)
    if process.returncode != 0 or any("error" in line for line in lines):
        end["stderr"] = said.read_text("utf-8", "replace")[-SHOWN_STDERR:]
    keep(end)
    print(json.dumps(end), flush=True)
    return list(lines)


def _ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process ends by itself in this time; it has ended then in any case, or hangs in a driver."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    finally:  # also where somebody ends the check: a stage that lives on would hold the card
        if process.poll() is None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LAST_SECONDS)
    return True


def _read(process: subprocess.Popen[bytes], name: str, keep: Callable[[Line], None]) -> None:
    """Show and keep each line of a stage as it comes."""
    for raw in process.stdout or ():
        text = raw.decode("utf-8", "replace").rstrip()
        try:
            line = json.loads(text)
        except ValueError:
            line = {"printed": text[:500]}
        whole = {**(line if isinstance(line, dict) else {"printed": text[:500]}), "stage": name}
        keep(whole)
        print(json.dumps(whole)[:SHOWN_LINE], flush=True)


def table(lines: Sequence[Line]) -> str:
    """What counts, in few lines, for a reader who sees only the end of the output."""
    found = []
    for name in dict.fromkeys((*SECONDS, *(str(line["stage"]) for line in lines))):
        mine = [line for line in lines if line["stage"] == name]
        if not mine:
            found.append(f"{name}: not run")
            continue
        judged = [line["ok"] for line in mine if "ok" in line]
        ends = [line for line in mine if "ended" in line]
        errors = list(dict.fromkeys(str(line["error"]) for line in mine if "error" in line))
        failed = errors or not all(judged) or not ends or any(end["ended"] != 0 for end in ends)
        state = "FAILED" if failed else "well"
        took = f"{ends[-1]['s']} s" if ends else "it was ended from outside"
        found.append(f"{name}: {state}, {sum(judged)} of {len(judged)} checks, {took}")
        found += [f"    ! {error[:500]}" for error in errors[:3]]
        found += [f"    ! {_end(end)}" for end in ends if end["ended"] != 0]
        found += [f"    {_short(line)}" for line in mine if _counts(line)]
    measured = [name for name in dict.fromkeys(line["stage"] for line in lines) if limits(name)[0] == "speed"]
    for name in measured or ["speed"]:
        found += goals(lines, name)
    return "\n".join(found)


def goals(lines: Sequence[Line], stage: str = "speed") -> list[str]:
    """Each goal for Small at full size, beside what a stage measured."""
    values: dict[str, float] = {}
    for line in lines:
        if line["stage"] != stage:
            continue
        if "decode_tok_s" in line:
            values["decode_tok_s"] = min(line["decode_tok_s"].values(), default=0.0)
        if "prefill_tok_s" in line:
            values["prefill_1415_tok_s"] = line["prefill_tok_s"].get("1415", 0.0)
        values |= {name: line[name] for name in GOALS.keys() & line.keys() if isinstance(line[name], float)}
    found = []
    for name, goal in GOALS.items():
        value = values.get(name)
        met = value is not None and (value >= goal if name.endswith("tok_s") else value <= goal)
        of = "" if stage == "speed" else f" ({stage})"
        found.append(
            f"goal {name}{of}: {goal}, measured {value}{'' if value is None else ', met' if met else ', NOT MET'}"
        )
    return found


def _counts(line: Line) -> bool:
    return bool(line.keys() & FIGURES) or line.get("ok") is False


def _end(end: Line) -> str:
    """How a stage ended that did not end well: a signal's number is negative, and None is a process that lives on."""
    said = str(end.get("stderr", "")).strip().splitlines()
    late = f" after its {end['timed_out']} s" if "timed_out" in end else ""
    return f"ended {end['ended']}{late}; it said last: {said[-1][:300] if said else 'nothing'}"


def _short(line: Line) -> str:
    left_out = ("stage", "providers", "bundle", "error", "because", "where", "steps")
    words = (f"{key}={value}" for key, value in line.items() if key not in left_out)
    return " ".join(words)[: LONGEST_PROFILE if "most" in line else LONGEST_FIGURE]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; 0 where all is well."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.gpu_check.check", description="Check a GPU.")
    parser.add_argument("folder", type=Path, help="what `make gpu-check` packed")
    parser.add_argument("out", type=Path, help="for what is found")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only tries out this program")
    parser.add_argument(
        "--stages", default=",".join(SECONDS), help="some of them, with commas between; or with @SWITCH"
    )
    parser.add_argument("--seconds", type=float, default=BUDGET_SECONDS, help="for all of them")
    options = parser.parse_args(arguments)
    try:
        stages = expanded(options.stages)
    except ValueError as error:
        parser.error(str(error))
    record, end = Record(options.out, table), time.monotonic() + options.seconds
    before = signal.signal(signal.SIGTERM, _ended)
    try:
        _run(stages, options, record, end)
    finally:
        signal.signal(signal.SIGTERM, before)
        record.write_table()
    now = table(record.lines)
    print("---- table ----", now, sep="\n", flush=True)
    return int("FAILED" in now)


def _run(stages: Sequence[str], options: argparse.Namespace, record: Record, end: float) -> None:
    """One stage after the other, as long as there is time."""
    for name in stages:
        seconds = min(limits(name)[1], end - time.monotonic())
        if seconds < LEAST_SECONDS:
            record.add({"stage": name, "error": "no time was left", "ended": -1, "s": 0})
            continue
        record.begin(name)
        try:
            run_stage(name, options.folder, options.out, options.device, seconds, record.add)
        finally:
            record.keep_stderr(name)
            record.write_table()


def _ended(number: int, frame: FrameType | None) -> None:
    """What Python does not do by itself for this signal: leave every `with` and `finally` on the way out."""
    del frame
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
