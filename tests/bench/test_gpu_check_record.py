"""What of a check of a GPU comes back, and what it is packed from."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsvl2_bench.gpu_check import check, folder, said
from dsvl2_bench.gpu_check.folder import GPU_WHEEL, SCRIPT, make_folder
from dsvl2_bench.gpu_check.packed_cases import PackedCase, model_of, read_cases, write_cases
from dsvl2_bench.gpu_check.record import FIRST_BYTES, LAST_BYTES, Record, shortened, stderr_of
from dsvl2_bench.gpu_check.stages import where_they_part
from dsvl2_demo.evaluation.held_out import Case
from dsvl2_demo.packing import write_script
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.prompt import locate

ROOT = Path(__file__).resolve().parents[2]


def test_a_stage_without_time_does_not_forget_what_an_earlier_run_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never ran says why; this run fails for both."""

    def stage(name: str, *rest: Any) -> list[dict[str, Any]]:
        stderr_of(tmp_path, name).write_text("")
        for line in ({"stage": name, "load_s": 1.5}, {"stage": name, "ended": 0, "s": 1}):
            rest[-1](line)
        return []

    monkeypatch.setattr(check, "run_stage", stage)
    assert check.main(["folder", str(tmp_path), "--stages", "parity"]) == 0
    assert check.main(["folder", str(tmp_path), "--stages", "parity,speed", "--seconds", "1"]) == 1
    text = (tmp_path / "table.txt").read_text("utf-8")
    assert "parity: well" in text
    assert "load_s=1.5" in text
    assert "speed: FAILED" in text
    assert "no time was left" in text
    lines = json.loads((tmp_path / "check.json").read_text("utf-8"))
    assert [line["stage"] for line in lines] == ["parity", "parity", "speed"]


def test_each_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    """Beside what was known; a file that is no record is none."""
    (tmp_path / "check.json").write_text('{"half": ')
    record = Record(tmp_path, lambda lines: f"{len(lines)} lines")
    for count in range(1, 4):
        record.add({"stage": "speed", "number": count})
        assert len(json.loads((tmp_path / "check.json").read_text("utf-8"))) == count
    record.write_table()
    assert (tmp_path / "table.txt").read_text("utf-8") == "3 lines\n"
    again = Record(tmp_path, lambda lines: "")
    again.begin("speed")
    again.add({"stage": "speed", "number": 4})
    assert [line["number"] for line in json.loads((tmp_path / "check.json").read_text("utf-8"))] == [4]


def test_the_names_of_files_are_plain() -> None:
    """Of a stage with a switch as well."""
    assert stderr_of(Path("out"), "quick@plain") == Path("out/quick-plain.stderr.txt")


def test_of_much_that_libraries_say_both_ends_are_kept() -> None:
    text = b"a" * FIRST_BYTES + b"b" * 1000 + b"c" * LAST_BYTES
    assert shortened(text) == b"a" * FIRST_BYTES + b"\n... 1000 bytes are left out ...\n" + b"c" * LAST_BYTES
    assert shortened(text[1000:]) == text[1000:]


def test_questions_travel_with_their_pages(tmp_path: Path) -> None:
    """Tokens of places, boxes and every pixel; nothing is drawn anew."""
    generator = np.random.default_rng(3)
    pages = tuple(Image.fromarray(generator.integers(0, 256, (40, 30, 3), np.uint8)) for _ in range(2))
    cases = [
        PackedCase(
            Case("compare", pages, ("Which total is larger?",), "the first", None), {"float32": "a", "int8": "b"}
        ),
        PackedCase(Case("locate", pages[:1], tuple(locate("total")), "box", (1.0, 2.5, 3.0, 4.0)), {"float32": "c"}),
    ]
    write_cases(tmp_path / "answers", "0" * 64, cases)
    found = read_cases(tmp_path / "answers")
    assert model_of(tmp_path / "answers") == "0" * 64
    for one, other in zip(found, cases, strict=True):
        assert one.answers == other.answers
        assert (one.case.task, one.case.question, one.case.answer) == (
            other.case.task, other.case.question, other.case.answer,
        )  # fmt: skip
        assert one.case.box == other.case.box
        assert [page.tobytes() for page in one.case.images] == [page.tobytes() for page in other.case.images]


def pack(out: Path, answers: Path | None = None) -> None:
    make_folder(
        out, on_gpu=False, python="3.12", wheels=False, full=False, variants=(), questions=0, answers=answers
    )  # fmt: skip


def test_answers_are_shown_where_they_part() -> None:
    """However long they were equal."""
    found = where_they_part("a" * 300 + "b" * 200, "a" * 300 + "c")
    assert found == {"equal_letters": 300, "gpu": "a" * 20 + "b" * 100, "cpu": "a" * 20 + "c"}
    assert where_they_part("", "yes") == {"equal_letters": 0, "gpu": "", "cpu": "yes"}


def test_answers_of_another_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration model is trained now and then."""
    pack(tmp_path / "first")
    pack(tmp_path / "second", tmp_path / "first" / "answers")
    monkeypatch.setattr(folder, "sha256", lambda path: "1" * 64)
    with pytest.raises(UsageError, match="another demonstration model"):
        pack(tmp_path / "third", tmp_path / "first" / "answers")
    packed = json.loads((tmp_path / "first" / "packed.json").read_text("utf-8"))
    assert packed["code"]
    assert packed["wheel"] == GPU_WHEEL


def test_a_folder_that_is_there_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """It may be of older code; `make gpu-check` ends with this sentence."""
    with pytest.raises(SystemExit, match="is there already, perhaps of older code"):
        folder.main(["--out", str(tmp_path)])


def test_the_release_that_is_packed_is_the_one_that_is_tested() -> None:
    """`make test-cuda` installs what the constraints say."""
    assert GPU_WHEEL in (ROOT / "constraints.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_no_module_comes_from_the_folder_where_the_script_is_started(tmp_path: Path, before: str | None) -> None:
    """An empty entry of PYTHONPATH would mean that folder."""
    write_script(tmp_path / "check.sh", SCRIPT)
    write_script(tmp_path / "python", '#!/bin/sh\necho "$PYTHONPATH"\n')
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHON": str(tmp_path / "python")} | ({} if before is None else {"PYTHONPATH": before})
    ended = subprocess.run(
        ["bash", str(tmp_path / "check.sh"), str(tmp_path / "out")],
        env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True,
    )  # fmt: skip
    expected = [f"{tmp_path}/code", f"{tmp_path}/site", *([] if before is None else [before])]
    assert ended.stdout.strip().split(":") == expected


def test_the_cards_clocks_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or why they are not known; nothing is said on the CPU."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    write_script(tmp_path / "nvidia-smi", "#!/bin/sh\necho 1980, 3201, 1980, 120.5, 700.00, 34, 0, 12\n")
    said.say_card("cuda", "before")
    said.say_card("cpu", "before")
    write_script(tmp_path / "nvidia-smi", "#!/bin/sh\necho no devices were found; exit 6\n")
    said.say_card("cuda", "before")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["card"]["clocks.sm"] == "1980"
    assert first["card"]["utilization.gpu"] == "0"
    assert (second["card"], second["why"]) == (None, "no devices were found")
