"""What an export will write and need, before it is begun."""

from __future__ import annotations

import shutil
from pathlib import Path

from dsvl2_export.bundle_size import MARGIN_BYTES, cuda_bytes, expected_bytes
from dsvl2_export.checkpoint.checkpoint import Checkpoint
from dsvl2_export.graphs.external_data import journal_of
from dsvl2_quant.recipe import RECIPES
from dsvl2_runtime.bundle.export_plan import ExportPlan
from dsvl2_runtime.bundle.graph_entry import CacheFormat
from dsvl2_runtime.bundle.releases import variant_of
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.memory_plan import memory_of
from dsvl2_runtime.machine.cores import choose_threads
from dsvl2_runtime.machine.files import bytes_in, unfinished
from dsvl2_runtime.machine.machine import available_memory


def plan_export(source: Path, out: Path, precision: str, *, for_cuda: bool = False) -> ExportPlan:
    """Open a checkpoint and say what its bundle will be.

    Raises:
        ModelNotFoundError, ModelCorruptError: the checkpoint is incomplete or not what it declares.
    """
    checkpoint = Checkpoint.open(source)
    config = checkpoint.config
    recipe = RECIPES[precision].fitted(config.language_config)
    weights = expected_bytes(config, recipe)
    on_disk = weights + (cuda_bytes(config, recipe) if for_cuda else 0) + MARGIN_BYTES
    begun = unfinished(out)
    is_begun = (begun / journal_of(Path(f"{graph_io.DECODER}.data")).name).exists()
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    # Without knowing what will be mapped, all of it is counted as copied: graphs, too.
    copied, threads = weights + MARGIN_BYTES, choose_threads(None).count
    memory = memory_of(config, CacheFormat.of(config.language_config), copied, 0, threads)
    return ExportPlan(
        variant=variant_of(config).value,
        note=checkpoint.note,
        precision=precision,
        checkpoint_bytes=bytes_in(source),
        bundle_bytes=on_disk,
        done_bytes=bytes_in(begun) if is_begun else 0,
        free_disk_bytes=shutil.disk_usage(folder).free,
        memory_bytes=memory.total,
        available_memory_bytes=available_memory(),
    )
