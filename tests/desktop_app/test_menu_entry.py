"""The entry in the menu of the desktop."""

from __future__ import annotations

import configparser
import plistlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dsvl2_app import cli, menu_entry
from dsvl2_app.app_icon import SIDES
from dsvl2_runtime.errors import UsageError

pytestmark = pytest.mark.gui


def unquoted(exec_line: str) -> list[str]:
    """The arguments of an `Exec`, as the specification tells a desktop to read it: strings first, then quotes."""
    text = exec_line.replace("\\\\", "\\").replace("%%", "%")
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text)
    return [re.sub(r"\\(.)", r"\1", inside) or plain for inside, plain in parts]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="desktop entries belong to Linux and the like")
def test_the_entry_starts_this_program_and_is_removed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With icons in all sizes of the theme."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    cli.app(install_menu=True)
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(tmp_path / "applications" / "dsvl2-onnx.desktop", "utf-8")
    main = entry["Desktop Entry"]
    *program, verb, files = unquoted(main["Exec"])
    assert (verb, files) == ("app", "%F")
    shown = subprocess.run([*program, "--help"], capture_output=True, encoding="utf-8", check=False)
    assert shown.returncode == 0, shown.stderr
    assert unquoted(entry["Desktop Action grab"]["Exec"]) == [*program, "grab"]
    assert main["Comment[zh_CN]"]
    icons = sorted((tmp_path / "icons" / "hicolor").rglob("*.png"))
    assert {Image.open(path).size for path in icons} == {(side, side) for side in SIDES}
    for path in icons:
        assert Image.open(path).convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)
    cli.app(remove_menu=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["plain", "a b", 'a"b', "a$b`c", "a\\b", "100%", "é 文"])
def test_a_program_anywhere_is_quoted_so_that_a_desktop_finds_it(name: str) -> None:
    assert unquoted(menu_entry.quoted(f"/opt/{name}")) == [f"/opt/{name}"]


def test_a_name_with_a_line_end_is_refused() -> None:
    with pytest.raises(UsageError, match="move it"):
        menu_entry.quoted("/opt/a\nExec=other")


def test_macos_gets_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of files, so that it can be looked at anywhere."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    menu_entry.add_to_menu()
    contents = tmp_path / "Applications" / "dsvl2-onnx.app" / "Contents"
    described = plistlib.loads((contents / "Info.plist").read_bytes())
    program = contents / "MacOS" / described["CFBundleExecutable"]
    assert program.stat().st_mode & 0o111
    assert program.read_text("utf-8").endswith('app "$@"\n')
    assert Image.open(contents / "Resources" / f"{described['CFBundleIconFile']}.icns").format == "ICNS"
    menu_entry.remove_from_menu()
    assert list((tmp_path / "Applications").iterdir()) == []
