"""The shelf: models have names, come whole or not at all, and nothing is deleted that is not a bundle of the shelf."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner, Result

from dsvl2_runtime.bundle import shelf
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model, is_plain
from dsvl2_runtime.bundle.shelf import import_bundle, list_models, remove_bundle
from dsvl2_runtime.cli import shelf_verbs
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.errors import BusyError, ModelCorruptError, ModelNotFoundError, ResourceError, UsageError
from dsvl2_runtime.machine.files import only_writer
from small_models import MakeBundle


class DiskUsage(NamedTuple):
    """As `shutil.disk_usage` returns it."""

    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models, which is not there yet."""
    folder = tmp_path / "models"
    monkeypatch.setenv("DSVL2_MODELS", str(folder))
    return folder


@pytest.fixture
def source(bundle: MakeBundle) -> Path:
    return bundle("small", "int4")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_an_imported_model_is_asked_by_its_name(source: Path, models: Path) -> None:
    """It is the same bundle, whole, with its sums compared; the tidy folder holds nothing else."""
    assert call("import", source, "--name", "my model").exit_code == 0
    assert find_model("my model") == models / "my model"
    Bundle.open(models / "my model").verify()
    assert sorted(path.name for path in models.iterdir()) == ["my model"]
    answer = call("run", "x", "-m", "my model", "-n", "2", "-q")
    assert answer.exit_code == 0
    assert answer.stdout == call("run", "x", "-m", source, "-n", "2", "-q").stdout


def test_a_path_is_still_a_path(source: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the name of a model is reached with ./ before it, and one that is no model by its name."""
    import_bundle(source, "one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert [find_model(name) for name in ("one", "./one", "two")] == [models / "one", Path("./one"), Path("two")]
    assert find_model(tmp_path / "one") == tmp_path / "one"
    assert find_model("../models/one") == Path("../models/one")


def test_ls_shows_all_and_says_what_is_broken(source: Path, models: Path) -> None:
    """The built-in ones first; hidden folders and files are no models."""
    import_bundle(source, "good")
    (models / "empty").mkdir()
    (models / ".hidden").mkdir()
    (models / "file").touch()
    shutil.copytree(source, models / "cut")
    (models / "cut" / "manifest.json").write_text("{")
    found = {each["name"]: each for each in json.loads(call("ls", "--format", "json").stdout)["models"]}
    assert list(found) == ["demo", "cut", "empty", "good"]
    assert (found["demo"]["built_in"], found["good"]["built_in"]) == (True, False)
    assert found["good"]["bytes"] == sum(entry.size for entry in Bundle.open(source).manifest.files)
    assert [name for name, each in found.items() if each["error"]] == ["cut", "empty"]
    shown = call("ls").stdout
    assert all(name in shown for name in found)


def test_ls_works_without_a_folder(models: Path) -> None:
    assert [model.name for model in list_models()] == ["demo"]
    assert not models.exists()


def test_show_tells_what_a_model_is(source: Path) -> None:
    import_bundle(source, "good")
    found = json.loads(call("show", "good", "--format", "json").stdout)
    manifest = Bundle.open(source).manifest
    assert (found["release"], found["precision"], found["context"]) == ("small", "int4", 512)
    assert (found["files"], found["note"]) == (len(manifest.files), manifest.note)
    assert "manifest sha256" in call("show", "good").stdout
    assert isinstance(call("show", "none").exception, ModelNotFoundError)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "-x", "a\\b", "c:", "x.", "x" * 101, "a\nb", "nul\x00", "~"])
def test_a_name_is_no_path(source: Path, models: Path, name: str) -> None:
    """Nothing is written, and nothing is removed."""
    assert not is_plain(name)
    with pytest.raises(UsageError):
        import_bundle(source, name)
    with pytest.raises(UsageError):
        remove_bundle(name)
    assert not models.exists()


def test_a_name_of_any_bytes_is_judged() -> None:
    """As the system gives it where it is not UTF-8; each such byte counts as three."""
    assert [is_plain("\udc80" * count) for count in (33, 34)] == [True, False]


@pytest.mark.parametrize("name", ["small-int4", "合计", "a b", "x.y", "Ünïcode 😀"])
def test_other_names_are_good(source: Path, name: str) -> None:
    assert is_plain(name)
    import_bundle(source, name)
    assert name in [model.name for model in list_models()]
    remove_bundle(name)


def test_a_name_is_taken_once(source: Path, models: Path) -> None:
    """Unless --force replaces it; a built-in name never."""
    import_bundle(source, "one")
    found = call("import", source, "--name", "one")
    assert isinstance(found.exception, UsageError)
    assert call("import", source, "--name", "one", "--force").exit_code == 0
    assert isinstance(call("import", source, "--name", "demo", "--force").exception, UsageError)
    assert isinstance(call("import", models / "one").exception, UsageError)
    Bundle.open(models / "one").verify()


def test_damage_is_found_and_leaves_nothing(folder: Path, models: Path) -> None:
    """One flipped bit, which no quick look sees."""
    graph = next(path for path in folder.iterdir() if path.name.startswith("decoder") and path.stat().st_size > 1000)
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ModelCorruptError):
        import_bundle(folder, "one")
    assert [path for path in models.rglob("*") if not path.is_dir()] == [] if models.exists() else True
    assert [model.name for model in list_models()] == ["demo"]


def test_what_is_no_bundle_is_not_imported(tmp_path: Path) -> None:
    """A checkpoint gets the advice to be exported."""
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "model.safetensors").touch()
    found = call("import", tmp_path / "checkpoint")
    assert isinstance(found.exception, UsageError)
    assert "dsvl2-onnx export" in str(found.exception)
    assert isinstance(call("import", tmp_path / "none").exception, ModelNotFoundError)


def test_a_full_disk_is_found_before_copying(source: Path, monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: DiskUsage(10, 10, 0))
    with pytest.raises(ResourceError, match="free"):
        import_bundle(source, "one")
    assert not models.exists()


def test_a_copy_that_is_ended_leaves_no_model(source: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one begins anew."""

    def stop(done: int, total: int) -> None:
        if done > total // 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_bundle(source, "one", on_progress=stop)
    assert [model.name for model in list_models()] == ["demo"]
    import_bundle(source, "one")
    assert [model.name for model in list_models()] == ["demo", "one"]


def test_rm_deletes_after_asking(source: Path, models: Path) -> None:
    """Where nobody can be asked it wants --yes."""
    import_bundle(source, "one")
    found = call("rm", "one")
    assert isinstance(found.exception, UsageError)
    assert "--yes" in str(found.exception)
    assert (models / "one").is_dir()
    assert call("rm", "one", "--yes").exit_code == 0
    assert list(models.iterdir()) == []
    assert isinstance(call("rm", "one", "--yes").exception, ModelNotFoundError)


@pytest.mark.parametrize(("typed", "is_left"), [("n\n", True), ("\n", True), ("y\n", False)])
def test_rm_takes_no_for_an_answer(
    source: Path, models: Path, typed: str, is_left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so it does an empty one."""
    import_bundle(source, "one")

    class Terminal:
        def isatty(self) -> bool:
            return True

    class System:
        stdin = Terminal()

    monkeypatch.setattr(shelf_verbs, "sys", System)
    found = CliRunner().invoke(app, ["rm", "one"], input=typed)
    assert (models / "one").exists() == is_left
    assert (found.exit_code != 0) == is_left


def test_rm_refuses_what_is_no_bundle_of_the_shelf(source: Path, models: Path, tmp_path: Path) -> None:
    """The built-in model, a path, a folder without a manifest, a link, a bundle with a stranger's file in it."""
    import_bundle(source, "one")
    (models / "notes").mkdir()
    (models / "notes" / "thesis.txt").write_text("x")
    (models / "link").symlink_to(source, target_is_directory=True)
    (models / "one" / "mine.txt").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    for name in ("demo", str(source), "../bundle", "notes", "link", "one"):
        assert isinstance(call("rm", name, "--yes").exception, UsageError), name
    assert sorted(tmp_path.rglob("*")) == before
    Bundle.open(source).verify()


def test_a_broken_bundle_can_be_removed(source: Path, models: Path) -> None:
    """Its manifest cannot be read any more."""
    import_bundle(source, "one")
    (models / "one" / "manifest.json").write_text("{")
    assert call("rm", "one", "--yes").exit_code == 0
    assert list(models.iterdir()) == []


def test_two_processes_do_not_write_one_model(source: Path, models: Path) -> None:
    import_bundle(source, "one")
    with only_writer(models / "one"):
        with pytest.raises(BusyError):
            remove_bundle("one")
        with pytest.raises(BusyError):
            import_bundle(source, "one", overwrite=True)
    Bundle.open(models / "one").verify()


def test_a_removal_that_was_killed_leaves_no_half_model(
    source: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no name any more, and the next removal takes the rest."""
    import_bundle(source, "one")

    def killed(path: Path, ignore_errors: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shelf.shutil, "rmtree", killed)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            remove_bundle("one")
    assert [model.name for model in list_models()] == ["demo"]
    import_bundle(source, "one")
    remove_bundle("one")
    assert list(models.iterdir()) == []
