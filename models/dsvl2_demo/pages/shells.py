# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Plain terminals: a screen of cells as wide as one another, with commands and the lists that they print."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dsvl2_demo.pages import lexicon, words
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.page import Colour, Page, TextRun, part_of
from dsvl2_demo.pages.sheets import mono_face
from dsvl2_demo.pages.windows import window
from dsvl2_demo.pages.words import Split, choose

BRIGHT: tuple[tuple[Colour, Colour], ...] = (
    ((255, 255, 255), (0, 0, 0)), ((255, 255, 255), (0, 0, 0)), ((255, 255, 221), (0, 0, 0)),
    ((253, 246, 227), (88, 110, 117)), ((245, 245, 245), (46, 52, 54)),
)  # fmt: skip
DARK: tuple[tuple[Colour, Colour], ...] = (
    ((0, 0, 0), (229, 229, 229)), ((0, 0, 0), (255, 255, 255)), ((0, 0, 0), (170, 170, 170)), ((0, 0, 0), (0, 230, 0)),
    ((23, 20, 33), (208, 207, 204)), ((0, 43, 54), (147, 161, 161)), ((46, 52, 64), (216, 222, 233)),
)  # fmt: skip
"""(background, ink), as terminals come."""
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
PROGRAMS = (
    "bash zsh sshd nginx cron python3 node postgres redis vim less make gcc firefox emacs top systemd dbus rsync java "
    "mysqld docker pulseaudio cupsd tmux htop git perl ruby httpd"
).split()
DISKS = "/dev/sda1 /dev/sda2 /dev/sdb1 /dev/nvme0n1p2 tmpfs udev /dev/mapper/root overlay /dev/vda1 /dev/md0".split()
MOUNTS = "/ /home /boot /var /tmp /srv /data /run /dev/shm /opt /backup /media/usb".split()
SUBJECTS = (
    "Fix|Add|Remove|Rename|Update|Speed up|Document|Test|Revert|Clean up|Move|Simplify|Check|Handle|Improve|Drop"
).split("|")
PRINTS = (
    "What does {} print?", "What is the output of {}?", "What did {} print?", "What stands below the command {}?",
    "Read the output of {}.",
)  # fmt: skip


@dataclass(slots=True)
class Screen:
    """A terminal that is written line by line; `y` is where the next one stands."""

    canvas: Canvas
    x: float
    y: float
    pitch: float
    right: float
    bottom: float

    def full(self) -> bool:
        """Whether no line is left."""
        return self.y + self.pitch > self.bottom

    def put(self, text: str, ink: Colour | None = None) -> TextRun | None:
        """A line; None where it does not fit."""
        if self.full():
            return None
        font = self.canvas.font()
        run = (
            self.canvas.text(self.x, self.y, text, font, ink)
            if self.canvas.fit(text, font, self.right - self.x)
            else None
        )
        if run is not None:
            self.canvas.line(run)
            self.y += self.pitch
        return run

    def part(self, run: TextRun, text: str, start: int = 0) -> TextRun:
        """The first such part of a line behind `start`."""
        at = run.text.index(text, start)
        return part_of(run, at, at + len(text))


Command = Callable[[Screen, str], None]
"""Types a command behind the prompt that it is given, and prints what it prints."""


def shell(split: Split, rng: random.Random) -> Page:
    """A terminal as it starts: black on white or white on black, often without a frame, its lower half empty."""
    em = rng.choice((11, 12, 12, 13, 13, 14, 15, 16, 17, 18, 20))
    face = mono_face(split, rng)
    columns, rows = rng.choice((80, 80, 80, rng.randint(56, 110))), rng.choice((24, 24, 30, rng.randint(8, 40)))
    cell = em * 0.6 if face is None else face.at(em).getlength("0")
    pitch = round(em * rng.uniform(1.12, 1.35))
    framed = rng.random() < 0.35
    inset = rng.choice((2, 2, 3, 5, 8))
    size = (
        min(1200, round(columns * cell) + 2 * inset),
        min(800, rows * pitch + 2 * inset + (em * 3 if framed else 0)),
    )
    canvas = Canvas.start("shell", size, split, rng, (em, em))
    canvas.em = em  # whatever was drawn: the screen was measured for it
    background, ink = rng.choice(BRIGHT if rng.random() < 0.5 else DARK)
    faint = blend(background, ink, 0.25)
    canvas.style = replace(
        canvas.style, face=face or canvas.style.face, bold=face or canvas.style.bold, background=background, ink=ink,
        faint=ink, panel=faint, line=faint,
    )  # fmt: skip
    canvas.box((0, 0, *size), background)
    if rng.random() < 0.3:
        canvas.draw.fontmode = "1"  # no grey: as fonts of bits look
    user, host = choose(words.FIRST_NAMES, split, rng).lower(), lexicon.host(split, rng)
    room = (0.0, 0.0, float(size[0]), float(size[1]))
    if framed:
        room = window(
            canvas, (0, 0, size[0] - 1, size[1] - 1), rng.choice((f"{user}@{host}", "Terminal", "xterm", "bash"))
        )
    screen = Screen(canvas, room[0] + inset, room[1] + inset, pitch, room[2] - inset, room[3] - 1)
    prompt = _prompt(user, host, split, rng)
    commands: Sequence[Command] = rng.choices(COMMANDS, WEIGHTS, k=rng.randint(1, 6))
    for command in commands:
        if screen.full():
            break
        command(screen, prompt)
    _cursor(screen, prompt)
    return canvas.page


def _prompt(user: str, host: str, split: Split, rng: random.Random) -> str:
    folder = rng.choice(("~", "~", "~/" + choose(lexicon.FOLDERS, split, rng), "/var/log", "/srv", "/"))
    return rng.choice(
        (f"{user}@{host}:{folder}$", f"{user}@{host}:{folder}$", f"[{user}@{host} {folder}]$", "$", "#", "%",
         f"{host}:{folder} #", f"{folder} $")
    )  # fmt: skip


def _cursor(screen: Screen, prompt: str) -> None:
    rng, canvas = screen.canvas.rng, screen.canvas
    x = screen.x
    if rng.random() < 0.6 and (run := screen.put(prompt)) is not None:
        x, screen.y = run.box[2] + canvas.em * 0.6, screen.y - screen.pitch
    box = (x, screen.y, x + canvas.em * 0.55, screen.y + screen.pitch - 1)
    if box[3] < screen.bottom and box[2] < screen.right:
        canvas.box(box, canvas.style.ink if rng.random() < 0.6 else None, canvas.style.ink)


def _typed(screen: Screen, prompt: str, command: str) -> TextRun | None:
    run = screen.put(f"{prompt} {command}")
    return None if run is None else part_of(run, len(run.text) - len(command), len(run.text))


def _value(screen: Screen, asks: tuple[str, ...], answer: TextRun, about: TextRun | None) -> None:
    screen.canvas.fact("value", asks, answer.text, answer, None, about)


def _listed(screen: Screen, prompt: str) -> None:
    """`ls` with sizes, owners and days."""
    rng, split, canvas = screen.canvas.rng, screen.canvas.split, screen.canvas
    _typed(screen, prompt, rng.choice(("ls -l", "ls -l", "ls -la", "ls -lh", "ll", "ls -l --time-style=long-iso")))
    if rng.random() < 0.7:
        screen.put(f"total {rng.randint(4, 9999)}")
    owner, group = choose(words.FIRST_NAMES, split, rng).lower(), rng.choice(("users", "staff", "root", "www-data"))
    day, sized = rng.randrange(3), rng.choice((9, 99, 9999, 9999999))
    wide = max(len(str(sized)), 4)
    for _ in range(rng.randint(2, 14)):
        folder = rng.random() < 0.2
        name = choose(lexicon.FOLDERS, split, rng) if folder else lexicon.file_name(split, rng).replace(" ", "")
        if rng.random() < 0.1:
            name = name.split(".")[0]
        if not name or not canvas.free(name):
            continue
        size = str(rng.randint(0, sized)) if rng.random() < 0.85 else f"{rng.randint(1, 99)}.{rng.randint(0, 9)}K"
        date, clock = _day(rng, day), f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
        rights = ("d" if folder else "-") + rng.choice(
            ("rw-r--r--", "rwxr-xr-x", "rw-rw-r--", "rw-------", "rwxr-x---")
        )
        text = f"{rights} {rng.randint(1, 9)} {owner} {group} {size:>{wide}} {date} {clock} {name}"
        run = screen.put(text)
        if run is None:
            continue
        at = len(text) - len(name)
        about = part_of(run, at, len(text))
        start = len(text) - len(f"{size} {date} {clock} {name}")
        shown = part_of(run, start, start + len(size))
        asks: tuple[str, ...] = (f"What is the size of {name}?", f"How large is {name}?", f"Size of {name}?")
        _value(screen, asks, shown, about)
        start += len(size) + 1
        asks = (f"What is the date of {name}?", f"When was {name} changed?", f"Date of {name}?")
        _value(screen, asks, part_of(run, start, start + len(date)), about)
        start += len(date) + 1
        asks = (f"What is the time of {name}?", f"At what time was {name} changed?")
        _value(screen, asks, part_of(run, start, start + len(clock)), about)
        if rng.random() < 0.3:
            asks = (f"What are the permissions of {name}?", f"Which rights does {name} have?")
            _value(screen, asks, part_of(run, 0, len(rights)), about)


def _day(rng: random.Random, style: int) -> str:
    month, day = rng.randrange(12), rng.randint(1, 28)
    if style == 0:
        return f"{rng.randint(2015, 2030)}-{month + 1:02d}-{day:02d}"
    return f"{MONTHS[month]} {day:>2}" if style == 1 else f"{day:02d} {MONTHS[month]}"


def _disks(screen: Screen, prompt: str) -> None:
    """`df`: a table."""
    rng = screen.canvas.rng
    _typed(screen, prompt, rng.choice(("df -h", "df -h", "df -h /", "df -H")))
    names = rng.sample(DISKS, rng.randint(1, 6))
    wide = max(11, *map(len, names)) + 1
    heads = ("Filesystem", "Size", "Used", "Avail", "Use%", "Mounted on")
    rows: list[tuple[str, ...]] = [heads]
    for name, mount in zip(names, rng.sample(MOUNTS, len(names)), strict=True):
        rows.append((name, *(_amount(rng) for _ in range(3)), f"{rng.randint(0, 100)}%", mount))
    drawn = []
    for row in rows:
        text = f"{row[0]:<{wide}}" + " ".join(f"{cell:>5}" for cell in row[1:5]) + f" {row[5]}"
        run = screen.put(text)
        if run is None:
            break
        cells, at = [], 0
        for cell in row:
            start = text.index(cell, at)
            at = start + len(cell)
            cells.append(part_of(run, start, at))
        drawn.append(cells)
    if len(drawn) > 1:
        screen.canvas.table(drawn[0], drawn[1:])


def _amount(rng: random.Random) -> str:
    return rng.choice(
        (f"{rng.randint(1, 990)}{rng.choice('MGK')}", f"{rng.randint(1, 9)}.{rng.randint(0, 9)}{rng.choice('GT')}")
    )


def _log(screen: Screen, prompt: str) -> None:
    """`git log --oneline`."""
    rng, split, canvas = screen.canvas.rng, screen.canvas.split, screen.canvas
    _typed(screen, prompt, rng.choice(("git log --oneline", "git log --oneline -n 8", "git lg")))
    for _ in range(rng.randint(2, 10)):
        name = f"{rng.getrandbits(28):07x}"
        subject = f"{rng.choice(SUBJECTS)} {lexicon.phrase(split, rng, 1, 5).lower()}"
        run = screen.put(f"{name} {subject}")
        if run is None or not canvas.free(name):
            continue
        first, rest = part_of(run, 0, len(name)), part_of(run, len(name) + 1, len(run.text))
        _value(
            screen, (f"What is the message of commit {name}?", f"What did commit {name} do?", f"{name}?"), rest, first
        )
        if canvas.free(subject):
            asks = (f'Which commit is "{subject}"?', f'What is the hash of "{subject}"?')
            _value(screen, asks, first, rest)


def _processes(screen: Screen, prompt: str) -> None:
    """`ps`."""
    rng, canvas = screen.canvas.rng, screen.canvas
    _typed(screen, prompt, rng.choice(("ps", "ps -e", "ps x")))
    if screen.put(f"{'PID':>7} TTY          TIME CMD") is None:
        return
    for name in rng.sample(PROGRAMS, rng.randint(2, 10)):
        number, clock = str(rng.randint(1, 99999)), f"00:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
        run = screen.put(f"{number:>7} {rng.choice(('pts/0', 'pts/1', '?    ', 'tty1 '))}    {clock} {name}")
        if run is None or not canvas.free(name):
            continue
        about = part_of(run, len(run.text) - len(name), len(run.text))
        _value(screen, (f"What is the PID of {name}?", f"Which PID does {name} have?"), screen.part(run, number), about)
        _value(screen, (f"What is the time of {name}?", f"How long did {name} run?"), screen.part(run, clock), about)


def _status(screen: Screen, prompt: str) -> None:
    """`git status`."""
    rng, split, canvas = screen.canvas.rng, screen.canvas.split, screen.canvas
    _typed(screen, prompt, "git status")
    branch = rng.choice(("main", "master", "develop", choose(lexicon.STEMS, split, rng)))
    run = screen.put(f"On branch {branch}")
    if run is not None and canvas.free("branch"):
        _value(
            screen,
            ("Which branch is it?", "What is the branch?", "On which branch?"),
            part_of(run, 10, len(run.text)),
            None,
        )
    screen.put(rng.choice(("Changes not staged for commit:", "Changes to be committed:", "Untracked files:")))
    for _ in range(rng.randint(1, 5)):
        screen.put(
            f"        {rng.choice(('modified:   ', 'new file:   ', 'deleted:    ', ''))}{lexicon.file_name(split, rng)}"
        )


def _counted(screen: Screen, prompt: str) -> None:
    """A command that prints one line about a file."""
    rng, split, canvas = screen.canvas.rng, screen.canvas.split, screen.canvas
    name = lexicon.file_name(split, rng).replace(" ", "")
    tool, number = rng.choice((("wc -l", 0), ("wc -w", 0), ("sha1sum", 40), ("md5sum", 32), ("cksum", 0)))
    command = f"{tool} {name}"
    typed = _typed(screen, prompt, command)
    found = str(rng.randint(0, 99999)) if not number else f"{rng.getrandbits(number * 4):0{number}x}"
    run = screen.put(f"{found} {name}")
    if run is not None and typed is not None and canvas.free(command):
        asks = tuple(ask.format(command) for ask in PRINTS)
        if number:
            return
        _value(screen, asks, run, typed)
        kind = {"wc -l": "lines", "wc -w": "words"}.get(tool)
        if kind is not None:
            _value(
                screen,
                (f"How many {kind} does {name} have?", f"How many {kind} has {name}?"),
                screen.part(run, found),
                typed,
            )


def _said(screen: Screen, prompt: str) -> None:
    """A command that prints one line."""
    rng, split, canvas = screen.canvas.rng, screen.canvas.split, screen.canvas
    clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
    today = f"{rng.choice(('Mon', 'Tue', 'Thu', 'Sat'))} {rng.choice(MONTHS)} {rng.randint(1, 28):>2} {clock}"
    variable = rng.choice((lexicon.path(split, rng), "/bin/bash", "C.UTF-8"))
    command, text = rng.choice(
        (("hostname", lexicon.host(split, rng)), ("whoami", choose(words.FIRST_NAMES, split, rng).lower()),
         ("pwd", lexicon.path(split, rng)), ("tty", f"/dev/pts/{rng.randint(0, 12)}"),
         ("uname -r", f"{rng.randint(3, 7)}.{rng.randint(0, 20)}.{rng.randint(0, 99)}-{rng.randint(1, 200)}-generic"),
         ("uname -m", rng.choice(("x86_64", "aarch64", "armv7l", "i686"))),
         ("date", f"{today} UTC {rng.randint(2015, 2030)}"), ("date +%F", _day(rng, 0)),
         ("nproc", str(rng.randint(1, 128))), ("git rev-parse HEAD", f"{rng.getrandbits(40):010x}"),
         (f"echo ${rng.choice(('HOME', 'SHELL', 'LANG', 'EDITOR'))}", variable),
         (f"{rng.choice(PROGRAMS)} --version", f"{rng.randint(0, 20)}.{rng.randint(0, 30)}.{rng.randint(0, 99)}"),
         (f"cat {lexicon.file_name(split, rng)}", lexicon.phrase(split, rng, 2, 6)),
         (f"which {rng.choice(PROGRAMS)}", lexicon.path(split, rng)))
    )  # fmt: skip
    typed = _typed(screen, prompt, command)
    run = screen.put(text)
    if run is not None and typed is not None and canvas.free(command):
        _value(screen, tuple(ask.format(command) for ask in PRINTS), run, typed)


def _described(screen: Screen, prompt: str) -> None:
    """Names and values, as many tools print them."""
    rng, split, canvas = screen.canvas.rng, screen.canvas.split, screen.canvas
    _typed(
        screen,
        prompt,
        rng.choice(("lscpu", "ip addr", "systemctl status", "env", "cat /proc/meminfo", "git config -l")),
    )
    joiner, wide = rng.choice(((":", 16), (": ", 0), ("=", 0), (":", 12), (" = ", 0), (" ", 14)))
    for _ in range(rng.randint(2, 9)):
        label = choose(lexicon.FLOW_KEYS if rng.random() < 0.5 else lexicon.NETWORK, split, rng)
        label = label.upper().replace(" ", "_") if joiner == "=" else label
        value = lexicon.technical(split, rng) if rng.random() < 0.7 else str(rng.randint(0, 999999))
        run = screen.put(f"{label + joiner:<{wide}}{value}")
        if run is not None and canvas.free(label):
            canvas.entry(label, part_of(run, 0, len(label)), part_of(run, len(run.text) - len(value), len(run.text)))


COMMANDS: tuple[Command, ...] = (_listed, _disks, _log, _processes, _status, _counted, _said, _described)
WEIGHTS = (5, 2, 2, 1.5, 1, 2, 5, 2)
