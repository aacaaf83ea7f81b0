"""Photographs as phones take them: large, in a shadow, some turned on their side by EXIF."""

from dataclasses import replace

import numpy as np

from benchmarks.scene import Scene, rulings, shadow
from training.drawings import Strokes

PHONE = Scene(1600, 1200, size=600, light=shadow(0.35, 0.04), blur=1.5, grain=3, off=0)
EMPTY = replace(PHONE, ink=PHONE.paper, light=None)
SQUARED = replace(PHONE, things=(rulings(110, 4, squares=True),), orientations=(6,))
LARGE = replace(SQUARED, width=4000, height=3000, size=1500, things=(rulings(300, 4, squares=True),))


def photograph(scene: Scene, strokes: Strokes, number: int = 1) -> bytes:
    """The same number gives the same picture."""
    return scene.photograph(strokes, np.random.default_rng(number))
