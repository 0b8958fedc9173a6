"""The stages of the check by name, with the seconds that each may take, the switches, and the goals.

Nothing is imported here, so that a machine on which the packages cannot be imported has a table that says so.
"""

from __future__ import annotations

SECONDS = {
    "environment": 30,
    "placement": 30,
    "parity": 60,
    "speed": 130,
    "answers": 150,
    "program": 45,
    "torch": 60,
    "llama.cpp": 110,
    "profile": 90,
    "nodes": 90,
}
"""The most telling first. The first three took 4, 3 and 16 seconds on a busy H200; `speed` shall have time behind them
where there are three minutes for everything, even if each is ended for taking too long."""
MORE_SECONDS = {"quick": 45}
"""Stages that only run where they are asked for."""
SECONDS_OF_STAGE = "DSVL2_CHECK_SECONDS"
"""Of the environment of a stage: what it may take, so that it can end by itself with what it has."""
ROOM = "ROOM"
"""Of the environment: a folder for temporary files, up to a gigabyte and holes of ten; by default the system's."""
FORM, OPTIONS = "DSVL2_CHECK_FORM", "DSVL2_CUDA_OPTIONS"
"""Of the environment: one of `FORMS`, and what `graphs/target.py` gives to ONNX Runtime's CUDA provider."""
FIRST_KERNEL = "ORT_FORCE_DETERMINISTIC_MOE"
"""Of the environment: where it is 1, ONNX Runtime takes its first kernel for experts and looks for no faster one."""
FORMS = ("float16", "bfloat16")
"""Types that everything computes in; without one some experts compute in bfloat16 and all else in float16."""
SWITCHES: dict[str, dict[str, str]] = {
    "no-capture": {OPTIONS: "enable_cuda_graph=0"},
    "flash": {OPTIONS: "sdpa_kernel=1"},
    "efficient": {OPTIONS: "sdpa_kernel=2"},
    "cudnn": {OPTIONS: "sdpa_kernel=8"},
    "plain": {OPTIONS: "sdpa_kernel=16"},
    "first-kernel": {FIRST_KERNEL: "1"},
    "blocking": {OPTIONS: "enable_cuda_graph=0", "CUDA_LAUNCH_BLOCKING": "1"},
    **{form: {FORM: form} for form in FORMS},
}
"""What `STAGE@SWITCH` sets in the environment of a stage: no captured step, one kernel of attention alone, each kernel
waited for so that an error names the right one, everything in one type, or no search for kernels for experts."""
ALL_SWITCHES = "switches"
"""Stands for `quick` without a switch and with each of them."""
GOALS = {
    "decode_tok_s": 280,
    "prefill_1415_tok_s": 30_000,
    "first_token_s": 0.15,
    "prepare_and_first_token_s": 0.15,
    "follow_up_s": 0.03,
    "prepare_and_follow_up_s": 0.03,
}
"""At Small's size on an H100 or H200. `prepare_and_` is what a person waits for: two cores of the computer cut the
picture into tiles before; for another question the tiles are there, and only its prompt is made."""


def expanded(asked: str) -> list[str]:
    """Names of stages, each with its switch, of what somebody asks for with commas between.

    Raises:
        ValueError: there is no such stage or switch.
    """
    found = []
    for name in asked.split(","):
        stage, _, switch = name.partition("@")
        if name == ALL_SWITCHES:
            found += ["quick", *(f"quick@{each}" for each in SWITCHES)]
        elif stage not in SECONDS | MORE_SECONDS:
            raise ValueError(f"there is no stage {stage!r}; there are {', '.join((*SECONDS, *MORE_SECONDS))}")
        elif switch and switch not in SWITCHES:
            raise ValueError(f"there is no switch {switch!r}; there are {', '.join(SWITCHES)}")
        else:
            found.append(name)
    return found


def limits(name: str) -> tuple[str, int, dict[str, str]]:
    """Of a stage with its switch: the stage, its seconds, and what is set in its environment."""
    stage, _, switch = name.partition("@")
    return stage, (SECONDS | MORE_SECONDS)[stage], SWITCHES.get(switch, {})
