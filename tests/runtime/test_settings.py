"""The configuration file and the variables: what counts more than what, and what is refused with which advice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import without_root
from dsvl2_runtime.bundle.model_names import models_folder
from dsvl2_runtime.cli import settings
from dsvl2_runtime.cli.settings import command_of, read_settings, settings_of
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.errors import UsageError

CODE = "from dsvl2_runtime.cli.main import main; main()"


NONE: Mapping[str, str] = {}


def call(
    *arguments: str, wrapper: Sequence[str] = (), variables: Mapping[str, str] = NONE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, sys.executable, "-c", CODE, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | dict(variables),
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a configuration file that is read, with nothing in it."""
    path = tmp_path / "config.toml"
    path.touch()
    monkeypatch.setenv("DSVL2_CONFIG", str(path))
    return path


def taken(verb: str) -> dict[str, Any]:
    """What a verb gets from the file."""
    return settings_of(verb, command_of(app)).get(verb, {})


def sources(**variables: str) -> dict[tuple[str | None, str], tuple[Any, str]]:
    found = call("config", "--format", "json", variables=variables)
    assert found.returncode == 0, found.stderr
    listed = json.loads(found.stdout)["settings"]
    return {(each["verb"], each["key"]): (each["value"], each["source"]) for each in listed}


def test_what_is_typed_counts_more_than_a_variable_that_more_than_the_file_and_that_more_than_the_default(
    file: Path,
) -> None:
    """Told by the thread counts that the verb `doctor` refuses, each with its own number."""
    settled: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
    file.write_text("threads = 2001")
    settled.append(("2001", {}, ()))
    file_and_variable = {"DSVL2_THREADS": "2002"}
    settled.append(("2002", file_and_variable, ()))
    settled.append(("2003", file_and_variable, ("--threads", "2003")))
    for number, variables, typed in settled:
        found = call("doctor", "-m", "demo", *typed, variables=variables)
        assert (found.returncode, f"threads is {number}" in found.stderr) == (2, True), found.stderr
    file.write_text("")
    assert call("doctor", "-m", "demo", "--format", "json").returncode == 0


def test_config_shows_each_value_and_where_it_comes_from(file: Path, tmp_path: Path) -> None:
    """The shared ones always, those of verbs where they are not the default; no secret."""
    file.write_text('model = "a"\nmodels = "shelf"\n[serve]\nport = 1\napi-key = "secret"\n[run]\nmax_tokens = 3\n')
    found = sources(DSVL2_THREADS="2", DSVL2_RUN_SEED="9", DSVL2_OCR_MODEL="b")
    assert found == {
        (None, "model"): ("a", "file"),
        (None, "threads"): (2, "environment"),
        (None, "provider"): ("auto", "default"),
        (None, "models"): (str(tmp_path / "shelf"), "file"),
        ("serve", "port"): (1, "file"),
        ("serve", "api_key"): ("(hidden)", "file"),
        ("run", "max_tokens"): (3, "file"),
        ("run", "seed"): (9, "environment"),
        ("ocr", "model"): ("b", "environment"),
    }
    shown = call("config", "serve", variables={"DSVL2_PORT": "5"}).stdout
    assert "secret" not in shown
    (port,) = (line.split() for line in shown.splitlines() if " port " in line)
    assert (port[5], port[7]) == ("5", "environment")


def test_a_variable_is_spelt_as_its_option_and_one_of_a_verb_counts_more_than_one_of_all() -> None:
    """Also where the option has another name inside, as `--format` has."""
    variables = {"DSVL2_OCR_FORMAT": "json", "DSVL2_OCR_MODEL": "b", "DSVL2_MODEL": "a"}
    found = json.loads(call("config", "--format", "json", variables=variables).stdout)["settings"]
    told = {
        (each["verb"], each["key"], each["value"], each["variable"]) for each in found if each["source"] != "default"
    }
    assert told == {
        (None, "model", "a", "DSVL2_MODEL"),
        ("ocr", "format", "json", "DSVL2_OCR_FORMAT"),
        ("ocr", "model", "b", "DSVL2_OCR_MODEL"),
    }


def test_an_option_is_spelt_as_it_is_typed(file: Path) -> None:
    """With dashes or underscores; also where it has another name inside."""
    file.write_text('[run]\nmax-tokens = 7\nno_repeat_ngram = 4\nformat = "json"\nstop = ["a", "b"]\nquiet = true\n')
    assert taken("run") == {
        "max_tokens": 7, "no_repeat_ngram": 4, "answer_format": "json", "stop": ["a", "b"], "quiet": True,
    }  # fmt: skip
    assert taken("ocr") == {}


def test_shared_keys_are_for_the_verbs_that_answer(file: Path) -> None:
    """Not for an option of the same name that means something else, such as that of `optimize`'s bundle."""
    file.write_text('model = "x"\nthreads = 3\nprovider = "cpu"\n')
    assert taken("run") == taken("serve") == {"model": "x", "threads": 3, "provider": "cpu"}
    assert taken("doctor") == {"threads": 3}
    assert taken("verify") == {}


@pytest.mark.parametrize(
    ("content", "found", "advice"),
    [
        ("[run]\nmax_token = 3", "'max_token'", "did you mean max_tokens?"),
        ("[runn]\nseed = 3", "'runn'", "did you mean [run]?"),
        ("[evil]\nmodel = 'x'", "'evil'", "did you mean [eval]?"),
        ("modle = 'demo'", "'modle'", "did you mean model"),
        ("max_tokens = 3", "'max_tokens'", "such as [run]?"),
        ("run = 3", "'run'", "outside a table"),
        ("[run]\nprompt = 'x'", "'prompt'", "did you mean"),
        ("threads = '2'", "threads = '2'", "a whole number"),
        ("threads = true", "threads = True", "a whole number"),
        ("threads = 0", "threads = 0", "greater than"),
        ("[run]\nmax_tokens = 1.5", "max_tokens = 1.5", "integer"),
        ("[run]\ntemperature = -1", "temperature = -1", "greater than"),
        ("[run]\nquiet = 1", "quiet = 1", "true or false"),
        ("[run]\nsystem = 3", "system = 3", "a text in quotes"),
        ("[run]\nstop = 'x'", "stop = 'x'", "a list"),
        ("[run]\nseed = [1]", "seed = [1]", "a single value"),
        ("[run]\nsplit = 'aut'", "split = 'aut'", "'auto'"),
        ("[run.more]\nx = 1", "'more'", "did you mean"),
        ("[run]\nsystem = {a = 1}", "system =", ""),
        ("models = 3", "models = 3", "a folder"),
        ("model = [", "TOML", "correct it"),
        ("model = 'a'\nmodel = 'b'", "TOML", "correct it"),
        ("x = " + "[" * 50_000, "TOML", "correct it"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(file: Path, content: str, found: str, advice: str) -> None:
    """And with the file, before anything else happens."""
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        settings_of("run", command_of(app))
    assert caught.value.exit_code == 2
    assert str(file) in str(caught.value)
    assert found in str(caught.value)
    assert advice in str(caught.value)


def test_files_that_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a binary file, one that is far too large, one that was named and is not there."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"#" * (settings.LARGEST_BYTES + 1))
    for name, part in (("", "no regular file"), ("binary", "TOML"), ("large", "bytes"), ("lost", "no such file")):
        monkeypatch.setenv("DSVL2_CONFIG", str(tmp_path / name))
        with pytest.raises(UsageError, match=part):
            read_settings(settings.settings_file())
    monkeypatch.setenv("DSVL2_CONFIG", "")
    monkeypatch.setattr(settings, "user_config_path", lambda name: tmp_path / name)
    assert settings.settings_file() == tmp_path / "dsvl2-onnx" / "config.toml"
    assert read_settings(settings.settings_file()) == {}


def test_a_broken_file_leaves_help(file: Path) -> None:
    """Every other verb says in one line what is wrong."""
    file.write_text("modle = 'demo'")
    assert call("--help").returncode == 0
    found = call("verify", "demo")
    assert (found.returncode, found.stdout, len(found.stderr.splitlines())) == (2, "", 1)
    assert call("config").stderr == found.stderr


@pytest.mark.skipif(not without_root.SUPPORTED, reason="permissions do not count here")
def test_a_file_that_may_not_be_read_is_an_error(file: Path) -> None:
    file.write_text("threads = 1")
    file.chmod(0)
    found = call("verify", "demo", wrapper=(sys.executable, without_root.__file__))
    assert (found.returncode, "cannot read" in found.stderr) == (7, True), found.stderr


def test_the_folder_of_models_is_named_by_the_file_or_the_environment(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latter counts more; in the file a path begins at the file."""
    usual = models_folder()
    assert usual.parts[-1] == "models"
    file.write_text('models = "shelf"')
    monkeypatch.setenv("DSVL2_MODELS", str(tmp_path / "other"))
    taken("run")
    assert models_folder() == tmp_path / "other"
    monkeypatch.delenv("DSVL2_MODELS")
    taken("run")
    assert models_folder() == tmp_path / "shelf"
