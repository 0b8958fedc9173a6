"""What an export will write and need: what `dsvl2-onnx export --plan` prints, and what reads it takes it for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """Bytes, and what was found."""

    variant: str
    note: str
    """Of the checkpoint, such as that its weights are random."""
    precision: str
    checkpoint_bytes: int
    bundle_bytes: int
    """On the disk."""
    done_bytes: int
    """Of an interrupted export that will be resumed."""
    free_disk_bytes: int
    memory_bytes: int
    """That answers will need."""
    available_memory_bytes: int

    @property
    def fits_disk(self) -> bool:
        """Whether there is room for what is left to write."""
        return self.bundle_bytes - self.done_bytes <= self.free_disk_bytes
