"""What happens to a picture on its way: it is scaled a little softly, gets grain, is packed as JPEG."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image, ImageFilter


def worn(image: Image.Image, rng: random.Random) -> Image.Image:
    """The picture with light blur, grain and JPEG artefacts, each of them or not."""
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7)))
    if rng.random() < 0.4:
        grain = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1, 8), (*image.size[::-1], 1))
        image = Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))
    if rng.random() < 0.6:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=rng.randint(45, 92))
        image = Image.open(packed).convert("RGB")
    return image
