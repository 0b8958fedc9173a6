"""DeepSeek-VL2 in PyTorch: the truth that graphs are compared with, and what the demo model is trained in.

Parameter names are the official checkpoint's.
"""

from dsvl2_export.network.language import LanguageModel
from dsvl2_export.network.model import DeepseekVL2
from dsvl2_export.network.moe import RouterStatistics
from dsvl2_export.network.projector import Projector
from dsvl2_export.network.vision import VisionTower

__all__ = ["DeepseekVL2", "LanguageModel", "Projector", "RouterStatistics", "VisionTower"]
