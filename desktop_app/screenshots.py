"""Takes the pictures of the window: `make screenshots`, or `python desktop_app/screenshots.py [--out=FOLDER] SCENE …`.

Each scene is the real program with the demonstration model on a virtual display of its own, with a window manager and
an empty home folder. Needs the programs Xvfb and openbox (Debian: xvfb openbox, and what the window needs for X11), and
a typeface with Chinese letters for the scene `chinese` (Debian: fonts-noto-cjk or fonts-wqy-zenhei).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from screenshot_scenes import SCENES, Scene

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "screenshots"
PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox"}
"""And the packages of Debian that bring them."""
SCREEN = "1366x768"
PATIENCE_SECONDS = 600


@contextmanager
def display(home: Path) -> Iterator[dict[str, str]]:
    """A screen with a window manager; yields the environment of a program on it."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{SCREEN}x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    processes = [server]
    try:
        with os.fdopen(reading, "rb") as pipe:
            number = pipe.readline().decode("ascii").strip()
        if not number:
            raise SystemExit("Xvfb does not start")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "QT_"))}
        environment |= {"DISPLAY": f":{number}", "HOME": str(home), "XDG_SESSION_TYPE": "x11"}
        environment.pop("WAYLAND_DISPLAY", None)
        manager = ["openbox", "--sm-disable"]
        processes.append(
            subprocess.Popen(manager, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        yield environment
    finally:
        for process in reversed(processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def take(scene: Scene, out: Path) -> bool:
    """Whether the picture of a scene was taken."""
    with tempfile.TemporaryDirectory() as home, display(Path(home)) as environment:
        command = [sys.executable, str(Path(__file__).with_name("screenshot_scenes.py")), scene.name, str(out)]
        variables = environment | scene.environment
        found = subprocess.run(command, env=variables, cwd=ROOT, timeout=PATIENCE_SECONDS, check=False)
    return found.returncode == 0


def main() -> None:
    """Take the named scenes, or all."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"needs programs that are not installed; on Debian: apt-get install {' '.join(missing)}")
    arguments = sys.argv[1:]
    out = Path(arguments.pop(0).partition("=")[2]) if arguments and arguments[0].startswith("--out=") else OUT
    wanted = arguments or list(SCENES)
    unknown = [name for name in wanted if name not in SCENES]
    if unknown:
        raise SystemExit(f"no scene is called {', '.join(unknown)}; there are {', '.join(SCENES)}")
    out.mkdir(parents=True, exist_ok=True)
    failed = [name for name in wanted if not take(SCENES[name], out)]
    if failed:
        raise SystemExit(f"not taken: {', '.join(failed)}")


if __name__ == "__main__":
    main()
