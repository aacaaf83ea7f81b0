"""Rulings and squares of paper, lines of forms: whatever crosses the picture straight from side to side."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from classifier.parts import Contrast, Mask

FAINTEST = 10.0  # contrast of 255
SLOPES = np.arange(-8, 9) / 100  # nobody holds the camera straighter than that
COLUMNS = 32  # that are looked at
ALONE, TOGETHER = 0.85, 0.5  # of the width that a line covers, or each of at least SEVERAL
SEVERAL = 4
THICKEST = 0.02  # of the shorter side
DARKER = 1.5  # times a line's contrast is ink that was written over it


def remove_rulings(contrast: Contrast) -> Contrast:
    """Take away the lines, and mend the strokes that they crossed."""
    return _remove_level(_remove_level(contrast).T).T


def _remove_level(contrast: Contrast) -> Contrast:
    mask = ndimage.maximum_filter1d(contrast, 3, axis=0) > FAINTEST
    slope, lines = _find_lines(mask)
    if not lines.any():
        return contrast
    band = np.flatnonzero(ndimage.binary_dilation(lines, iterations=2))
    without = _erase(contrast, band, slope)
    thickness = len(band) // ndimage.label(lines)[1] + 3
    mended = ndimage.maximum_filter1d(without, thickness, axis=0)
    mended = ndimage.minimum_filter1d(mended, thickness, axis=0)
    return np.asarray(np.minimum(contrast, mended), dtype=np.float32)


def _find_lines(mask: Mask) -> tuple[float, Mask]:
    """The slope of the rulings, and which rows, counted in the middle of the picture, are theirs."""
    height, width = mask.shape
    columns = np.linspace(0, width - 1, COLUMNS).astype(int)
    inked = np.ascontiguousarray(mask[:, columns].T, dtype=np.float32)
    shares = [_coverage(inked, _shifts(slope, columns, width)) for slope in SLOPES]
    best = int(np.argmax([(share**8).sum() for share in shares]))
    thickest = max(3, int(THICKEST * min(height, width)))
    together = _thin(shares[best] > TOGETHER, thickest)
    if ndimage.label(together)[1] >= SEVERAL:
        return float(SLOPES[best]), together
    return float(SLOPES[best]), _thin(shares[best] > ALONE, thickest)


def _shifts(slope: float, columns: NDArray[np.int_], width: int) -> NDArray[np.int_]:
    return np.asarray(np.rint(slope * (columns - width / 2)), dtype=np.int_)


def _coverage(inked: Contrast, shifts: NDArray[np.int_]) -> Contrast:
    """(height,) shares of the columns that have ink along lines of one slope; `inked` is (columns,
    height)."""
    columns, height = inked.shape
    reach = int(np.abs(shifts).max())
    found, seen = (
        _add_shifted(np.pad(part, ((0, 0), (reach, reach))), shifts + reach, height)
        for part in (inked, np.ones_like(inked))
    )
    return np.asarray(found / np.maximum(seen, columns // 2), dtype=np.float32)


def _add_shifted(rows: Contrast, starts: NDArray[np.int_], length: int) -> Contrast:
    """The sum of the rows' windows of one length, each from its own start."""
    windows = np.lib.stride_tricks.sliding_window_view(rows, length, axis=1)
    return np.asarray(windows[np.arange(len(rows)), starts].sum(axis=0), dtype=np.float32)


def _thin(flags: Mask, thickest: int) -> Mask:
    """A broader run is no ruling, but somebody's pen."""
    runs, count = ndimage.label(flags)
    return np.asarray(flags & (np.bincount(runs, minlength=count + 1)[runs] <= thickest), dtype=np.bool_)


def _erase(contrast: Contrast, band: NDArray[np.int_], slope: float) -> Contrast:
    """Along the band's rows; what is much darker than the line stays."""
    height, width = contrast.shape
    columns = np.arange(width)
    rows = band[:, None] + _shifts(slope, columns, width)
    inside = (rows >= 0) & (rows < height)
    rows = np.clip(rows, 0, height - 1)
    values = contrast[rows, columns]
    stays = values > DARKER * np.median(values, axis=1, keepdims=True) + FAINTEST
    result = contrast.copy()
    result[rows[inside], np.broadcast_to(columns, rows.shape)[inside]] = (values * stays)[inside]
    return result
