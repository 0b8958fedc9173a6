"""Bundles that were cut, changed, forged, or never finished."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import without_root
from dsvl2_export.exporter import export_bundle
from dsvl2_export.synth.writer import write_synthetic_checkpoint
from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import contained
from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.bundle.writer import BundleWriter
from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError, ResourceError, UsageError
from dsvl2_runtime.machine.files import disk_errors
from small_models import MakeBundle, MakeCheckpoint, as_schema_1, edit_manifest, list_again, small_config


def test_a_whole_bundle_is_verified_with_progress(folder: Path) -> None:
    """Every byte is read once."""
    told: list[tuple[int, int]] = []
    Bundle.open(folder).verify(lambda done, total: told.append((done, total)))
    assert (
        told[-1][0]
        == told[-1][1]
        == sum(path.stat().st_size for path in folder.iterdir()) - ((folder / MANIFEST).stat().st_size)
    )


@pytest.mark.parametrize("size", [0, 100, -1])
def test_a_cut_file_is_found_on_opening(folder: Path, size: int) -> None:
    """The message names the file and both sizes."""
    path = folder / "decoder.data"
    data = path.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(ModelCorruptError, match=r"decoder\.data") as caught:
        Bundle.open(folder)
    assert str(len(data)) in str(caught.value)


def test_a_flipped_bit_is_found_by_verify(folder: Path) -> None:
    """The size tells nothing; the sum does."""
    path = folder / "decoder.data"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelCorruptError, match=r"decoder\.data"):
        Bundle.open(folder).verify()


def test_a_file_too_many_is_found_by_verify(folder: Path) -> None:
    """Nothing rides along unnoticed."""
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(ModelCorruptError, match=r"extra\.bin"):
        Bundle.open(folder).verify()


@pytest.mark.parametrize("name", ["decoder.onnx", "tokenizer.json", "vision_encoder.onnx", MANIFEST])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    """A graph, the tokenizer and the manifest itself alike."""
    (folder / name).unlink()
    with pytest.raises(ModelNotFoundError, match=name):
        Bundle.open(folder)


@pytest.mark.parametrize(
    "path",
    ["../outside", "/etc/passwd", "a/../../b", "..\\outside", "C:/windows", "", ".", "a/./../../b", "a\0b", "a\ud800b"],
)
def test_no_listed_path_leads_out(folder: Path, path: str) -> None:
    """Neither on this system nor on another one."""
    with pytest.raises(ModelCorruptError, match="outside"):
        contained(folder, path, folder / MANIFEST)
    edit_manifest(folder, lambda document: document["files"][0].update(path=path))
    with pytest.raises(ModelCorruptError):
        Bundle.open(folder)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000 + "b"], ids=["name", "path"])
def test_a_name_that_no_file_can_have_is_missing(folder: Path, name: str) -> None:
    """Of a listed file, and of the bundle itself."""
    with pytest.raises(ModelNotFoundError):
        Bundle.open(folder / name)
    edit_manifest(folder, lambda document: document["files"][0].update(path=name))
    with pytest.raises(ModelNotFoundError):
        Bundle.open(folder)


@pytest.mark.parametrize("name", [MANIFEST, "tokenizer.json", "decoder.data"])
def test_what_cannot_be_read_is_not_called_damaged(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it said that something cannot be written."""
    plain = io.open

    def locked(path: Any, *given: Any, **named: Any) -> Any:
        if Path(path).name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain(path, *given, **named)

    monkeypatch.setattr(io, "open", locked)
    with pytest.raises(ResourceError, match=f"cannot read .*{name}: Permission denied"):
        Bundle.open(folder).verify()


def test_a_folder_that_may_not_be_looked_into_is_not_called_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files may well be there."""

    def locked(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", locked)
    with pytest.raises(ResourceError, match=r"cannot read .*bundle: Permission denied"):
        Bundle.open(folder)


def test_a_file_that_stops_an_export_is_named(tmp_path: Path) -> None:
    """It may be one of those that are read, so the bundle's own name would mislead."""
    source = tmp_path / "source.safetensors"
    with pytest.raises(ResourceError, match=r"source\.safetensors: Permission denied"), BundleWriter(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(source))
    with pytest.raises(ResourceError, match=r"source\.safetensors: Permission denied"), disk_errors(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(source))


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege there")
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """A link in an unpacked archive could point anywhere."""
    outside = tmp_path / "outside"
    shutil.move(folder / "decoder.data", outside)
    (folder / "decoder.data").symlink_to(outside)
    with pytest.raises(ModelCorruptError, match=r"decoder\.data: a link"):
        Bundle.open(folder)


@pytest.mark.usefixtures("onnxruntime_operators")
@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b"x" * 1000, bytes(range(256))])
def test_a_graph_that_is_no_graph_is_an_error_of_ours(folder: Path, content: bytes) -> None:
    """Sizes and sums agree with the manifest, and still the file is rubbish."""
    (folder / "decoder.onnx").write_bytes(content)
    list_again(folder)
    with pytest.raises(ModelCorruptError, match=r"decoder\.onnx"):
        load_model(folder, threads=1)


@pytest.mark.usefixtures("onnxruntime_operators")
def test_a_graph_that_cannot_be_loaded_is_an_error_of_ours(folder: Path) -> None:
    """It has the form of a graph, but ONNX Runtime knows no such operator."""
    path = folder / "decoder.onnx"
    path.write_bytes(path.read_bytes().replace(b"Softmax", b"Hardmix"))
    list_again(folder)
    with pytest.raises(ModelCorruptError, match=r"decoder\.onnx: ONNX Runtime cannot load it"):
        load_model(folder, threads=1)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege there")
def test_a_link_to_itself_is_refused_with_its_name(folder: Path) -> None:
    """No file can be reached through it, which is not the same as missing."""
    (folder / "decoder.data").unlink()
    (folder / "decoder.data").symlink_to("decoder.data")
    for use in (Bundle.open, lambda folder: load_model(folder, threads=1)):
        with pytest.raises(ModelCorruptError, match=r"decoder\.data: a link"):
            use(folder)


def test_weights_in_a_file_that_is_not_listed_are_refused(folder: Path) -> None:
    """ONNX Runtime would open whatever the graph names."""
    path = folder / "decoder.onnx"
    (folder / "unlisted.dat").write_bytes((folder / "decoder.data").read_bytes())
    path.write_bytes(path.read_bytes().replace(b"decoder.data", b"unlisted.dat"))
    list_again(folder)
    with pytest.raises(ModelCorruptError, match=r"decoder\.onnx: its weights are in 'unlisted\.dat', which"):
        load_model(folder, threads=1)


def test_operators_that_are_not_declared_are_refused(folder: Path) -> None:
    """They would come from a library that nobody mentioned."""
    path = folder / "decoder.onnx"
    path.write_bytes(path.read_bytes().replace(b"com.microsoft", b"com.elsewhere"))
    list_again(folder)
    with pytest.raises(ModelCorruptError, match=r"decoder\.onnx: it needs operators of 'com\.elsewhere'"):
        Bundle.open(folder)


@pytest.mark.parametrize("schema", [1, 2])
def test_weights_of_another_build_are_found_on_opening(
    tmp_path: Path, bundle: MakeBundle, checkpoint: MakeCheckpoint, schema: int
) -> None:
    """The same sizes, other numbers: it would load, and answer nonsense."""
    folder = Path(shutil.copytree(bundle("small", "int4"), tmp_path / "bundle"))
    if schema == 1:
        edit_manifest(folder, as_schema_1)
    Bundle.open(folder)
    write_synthetic_checkpoint(tmp_path / "other", "small", config=small_config("small"), seed=6)
    export_bundle(tmp_path / "other", tmp_path / "build", "int4")
    other = (tmp_path / "build" / "decoder.data").read_bytes()
    assert len(other) == (folder / "decoder.data").stat().st_size
    (folder / "decoder.data").write_bytes(other)
    with pytest.raises(ModelCorruptError, match=r"decoder\.data: not the file that manifest\.json lists"):
        Bundle.open(folder)


def test_an_unfinished_bundle_does_not_exist(tmp_path: Path) -> None:
    """An error on the way leaves nothing, not even the temporary folder."""
    with pytest.raises(RuntimeError), BundleWriter(tmp_path / "out") as writer:
        (writer.folder / "decoder.onnx").write_bytes(b"half")
        raise RuntimeError("stopped")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_export_leaves_no_bundle(tmp_path: Path) -> None:
    """Killed without a chance to clean up: what is left is hidden and is not at the bundle's place."""
    code = (
        "import sys, time; from pathlib import Path; from dsvl2_runtime.bundle.writer import BundleWriter\n"
        "with BundleWriter(Path(sys.argv[1])) as writer:\n"
        "    (writer.folder / 'decoder.onnx').write_bytes(b'half'); print('ready', flush=True); time.sleep(600)\n"
    )
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    with pytest.raises(ModelNotFoundError):
        Bundle.open(out)


def test_existing_folders_are_not_replaced_by_accident(tmp_path: Path, folder: Path) -> None:
    """A bundle needs --force, anything else is never replaced."""
    with pytest.raises(UsageError, match="--force"):
        BundleWriter(folder)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"meow")
    with pytest.raises(UsageError, match="no bundle"):
        BundleWriter(tmp_path / "photos", overwrite=True)


def test_a_bundle_that_is_here_is_replaced_whole(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by a dot, which has neither name nor parent: the old one goes when the new one is there, nothing else."""
    place = tmp_path / "place"
    old = shutil.copytree(folder, place / "bundle")
    (old / "left_over.txt").write_text("of the old one")
    manifest = Bundle.open(folder).manifest
    fields = {name: getattr(manifest, name) for name in Manifest.model_fields}
    for written in ("files", "schema_version"):
        del fields[written]
    monkeypatch.chdir(old)
    with BundleWriter(Path(), overwrite=True) as writer:
        for entry in manifest.files:
            (writer.folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / entry.path, writer.folder / entry.path)
        writer.finish(**fields)
    Bundle.open(place / "bundle").verify()
    assert not (place / "bundle" / "left_over.txt").exists()
    assert [path.name for path in place.iterdir()] == ["bundle"]


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege there")
def test_a_linked_folder_leads_nowhere(tmp_path: Path) -> None:
    """A listed file that it leads to would be outside the bundle."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelCorruptError, match="sub: a link"):
        contained(tmp_path / "bundle", "sub/secret", tmp_path / MANIFEST)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege there")
def test_a_link_is_not_written_through(tmp_path: Path, folder: Path) -> None:
    """Said before anything is converted."""
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(UsageError, match="is a link"):
        BundleWriter(tmp_path / "link", overwrite=True)


needs_permissions = pytest.mark.skipif(not without_root.SUPPORTED, reason="permissions do not count here")


def call_without_root(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code for which permissions count."""
    wrapper = [sys.executable, without_root.__file__, sys.executable, "-c", code]
    return subprocess.run([*wrapper, *map(str, arguments)], capture_output=True, encoding="utf-8", check=False)


@needs_permissions
def test_a_read_only_place_is_named(tmp_path: Path) -> None:
    """With the advice to choose another one."""
    place = tmp_path / "locked"
    place.mkdir(mode=0o500)
    code = (
        "import sys; from pathlib import Path; from dsvl2_runtime.bundle.writer import BundleWriter\n"
        "BundleWriter(Path(sys.argv[1])).__enter__()"
    )
    found = call_without_root(code, place / "out")
    assert "ResourceError: cannot write" in found.stderr
    assert "locked" in found.stderr
    assert list(place.iterdir()) == []


@needs_permissions
@pytest.mark.parametrize("name", [MANIFEST, "decoder.data", "decoder.onnx", "tokenizer.json"])
@pytest.mark.parametrize("owner", ["mine", "another's"])
def test_a_file_that_may_not_be_read_is_named(folder: Path, name: str, owner: str) -> None:
    """In one line, with the exit code of a resource; nothing is called damaged or missing."""
    if owner == "mine":
        (folder / name).chmod(0o000)
    elif os.geteuid() == 0:
        (folder / name).chmod(0o600)
        os.chown(folder / name, 12345, 12345)
    else:
        pytest.skip("only root can give a file away")
    found = call_without_root("from dsvl2_runtime.cli.main import main; main()", "run", "?", "--model", folder)
    assert found.returncode == 7
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert f"cannot read {folder / name}: Permission denied" in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_a_resource_error(tmp_path: Path) -> None:
    """The system's error number becomes a sentence and exit code 7."""
    with pytest.raises(ResourceError) as caught, BundleWriter(tmp_path / "out"), Path("/dev/full").open("wb") as full:
        full.write(b"x" * 100_000)
        full.flush()
    assert caught.value.exit_code == 7
    assert not list(tmp_path.iterdir())


def test_names_of_shipped_models_and_paths(tmp_path: Path) -> None:
    """A name that nobody registered is a path."""
    assert find_model("./demo") == Path("demo")
    assert find_model(tmp_path) == tmp_path
    assert find_model("no-such-name") == Path("no-such-name")
