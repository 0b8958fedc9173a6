"""What a run spends its time on: kernels on the card by PyTorch's profiler, operators by ONNX Runtime's."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnxruntime

from dsvl2_runtime.graphs.target import Target

MOST = 14
"""Names in a summary."""
NAME_LENGTH = 90
PROVIDER = "ExecutionProvider"


def on_card(run: Callable[[], object], device: str) -> dict[str, Any]:
    """Kernels and copies of a run.

    Returns:
        `card_ms`, which they take together; `span_ms`, from the first one's start to the last one's end; how many there
        are; and the milliseconds and number of those that take the most.
    """
    import torch
    from torch.profiler import ProfilerActivity

    if device == "cuda":
        torch.cuda.init()
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity]) as found:
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        found.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8"))["traceEvents"]
    return summary(
        (str(event["name"]), float(event["ts"]), float(event["dur"]))
        for event in events
        if event.get("cat") in {"kernel", "gpu_memcpy", "gpu_memset"}
    )


def summary(events: Iterable[tuple[str, float, float]]) -> dict[str, Any]:
    """Of names with a start and a length in microseconds."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    spans = []
    for name, start, length in events:
        each = sums[name.removeprefix("void ")[:NAME_LENGTH]]
        each[0] += length
        each[1] += 1
        spans.append((start, start + length))
    if not spans:
        return {"card_ms": None, "why": "the profiler saw nothing on the card"}
    span = max(end for _, end in spans) - min(start for start, _ in spans)
    return {
        "card_ms": round(sum(each[0] for each in sums.values()) / 1000, 3),
        "span_ms": round(span / 1000, 3),
        "count": len(spans),
        "most": _most(sums),
    }


def _most(sums: Mapping[str, list[float]]) -> dict[str, str]:
    """Name to milliseconds and number."""
    ordered = sorted(sums.items(), key=lambda item: -item[1][0])[:MOST]
    return {name: f"{microseconds / 1000:.3f} ms, {count:.0f}x" for name, (microseconds, count) in ordered}


@dataclass(frozen=True, slots=True)
class ProfiledTarget(Target):
    """A target whose sessions keep ONNX Runtime's profile; their runs are not captured, which would hide the nodes."""

    folder: Path = Path()
    """For the profiles."""
    sessions: list[tuple[str, onnxruntime.InferenceSession]] = field(default_factory=list)
    """Those that were opened, with the names of their graphs."""

    def new_session(
        self, path: Path, options: onnxruntime.SessionOptions, *, capture: bool = False
    ) -> onnxruntime.InferenceSession:
        """As of any target."""
        del capture
        options.enable_profiling = True
        options.profile_file_prefix = str(self.folder / path.stem)
        # By name: a class with slots is made anew by its decorator, and `super()` alone would look for the first.
        session = Target.new_session(self, path, options)
        self.sessions.append((path.stem, session))
        return session

    def ended(self) -> Iterator[tuple[str, Path]]:
        """End all profiles: the name of a graph, and the file."""
        for name, session in self.sessions:
            yield name, Path(session.end_profiling())


def by_operator(path: Path) -> dict[str, Any]:
    """The last run in a profile of ONNX Runtime: milliseconds of all nodes, and of the operators that take the most."""
    events = json.loads(path.read_text("utf-8"))
    runs = [event for event in events if event.get("name") == "model_run"]
    if not runs:
        return {"nodes_ms": None, "why": "the graph did not run"}
    last = max(runs, key=lambda event: event["ts"])
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    for event in events:
        if event.get("cat") == "Node" and str(event["name"]).endswith("_kernel_time") and event["ts"] >= last["ts"]:
            each = sums[f"{event['args']['op_name']} ({event['args'].get('provider', '?').removesuffix(PROVIDER)})"]
            each[0] += float(event["dur"])
            each[1] += 1
    nodes_ms = sum(each[0] for each in sums.values()) / 1000
    return {"nodes_ms": round(nodes_ms, 3), "run_ms": round(last["dur"] / 1000, 3), "most": _most(sums)}
