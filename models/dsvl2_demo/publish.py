"""What came back from a training run becomes the model that ships: `python -m dsvl2_demo.publish OUT`.

It writes the checkpoint, the int4 bundle, the run's log and curve, and the figures for the model card. Weights in
pieces are enough; the state of the run is not needed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dsvl2_demo.evaluation.card import Asked, all_scores, card_tables
from dsvl2_demo.evaluation.evaluate import bundle_answerer
from dsvl2_demo.training.curve import draw_curve
from dsvl2_demo.training.geometry import demo_config
from dsvl2_demo.training.publish import publish, run_weights
from dsvl2_demo.training.run_state import LOG_FILE
from dsvl2_export.exporter import export_bundle
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.machine.files import disk_errors, new_file
from dsvl2_runtime.model import load_model

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
NAME = "demo"
SCORES, TABLES, CURVE = "scores.json", "scores.md", "curve.png"


def publish_run(run: Path, into: Path, config: ModelConfig) -> None:
    """Checkpoint, bundle, log and curve; those that are there are replaced, each when the new one is complete.

    Args:
        run: folder of the run, or of its pieces and log.
        into: the folder for all of it.
        config: of the network that was trained.

    Raises:
        UsageError: the folder holds no weights.
        ModelCorruptError: a piece is missing, damaged or of another save, or the weights are of another network.
    """
    weights = run_weights(run)
    with disk_errors(into):
        into.mkdir(parents=True, exist_ok=True)
    publish(weights, config, into / "checkpoint", overwrite=True)
    export_bundle(into / "checkpoint", into / "bundle", "int4", name=NAME, overwrite=True, looks_again=True)
    if (log := run / LOG_FILE).is_file():
        with disk_errors(into):
            shutil.copyfile(log, into / LOG_FILE)
            entries = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
            if any("stage" in entry for entry in entries):
                draw_curve(entries).save(into / CURVE)


def score(into: Path, asked: Asked, threads: int | None, examples: Path | None) -> None:
    """Ask the published bundle, and write `scores.json` and the tables of the card in `scores.md`."""
    answerer = bundle_answerer(load_model(into / "bundle", threads, provider="cpu"))
    scores = all_scores(answerer, asked, examples, lambda step: print(f"asking about {step} ...", flush=True))
    with disk_errors(into):
        for name, text in ((SCORES, json.dumps(scores, ensure_ascii=False, indent=1)), (TABLES, card_tables(scores))):
            with new_file(into / name) as path:
                path.write_text(text, "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish a run."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_demo.publish", description="Make the model that ships.")
    parser.add_argument("run", type=Path, help="folder of a run, or of the pieces and the log that it wrote")
    parser.add_argument("--into", type=Path, default=HERE, help="folder for checkpoint, bundle and scores")
    parser.add_argument("--sheets", type=int, default=24, help="questions of each kind of real page; 0 asks nothing")
    parser.add_argument("--one-tile", type=int, default=200, help="questions about pages of one tile")
    parser.add_argument("--threads", type=int, help="by default the physical cores")
    options = parser.parse_args(arguments)
    try:
        publish_run(options.run, options.into, demo_config())
        print(f"{options.into / 'checkpoint'} and {options.into / 'bundle'} are written", flush=True)
        if options.sheets:
            examples = EXAMPLES if (EXAMPLES / "questions.json").is_file() else None
            score(options.into, Asked(options.sheets, options.one_tile), options.threads, examples)
            print(f"the tables for the model card are in {options.into / TABLES}")
    except Dsvl2Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
