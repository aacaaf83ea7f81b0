"""Augmentation of whole batches: every image gets its own pen width, shape and bend in one pass, and comes
out normalised as `preprocess.to_input` normalises, so that training sees what serving sees."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, interpolate, max_pool2d

SIZE = 28
HALF = (SIZE - 1) / 2  # from the edge to the centre
CENTRE = 14.0
BOX = 20.0
INKED = 0.2  # a pixel with less belongs to a blurred edge, not to the box
_LINE = torch.arange(SIZE) - HALF
_PLACES = torch.stack(
    torch.meshgrid(_LINE, _LINE, indexing="xy"), dim=-1
)  # (28, 28, 2), x and y from the centre
# Takes back the blur of resampling: edges come out as steep as MNIST's own. A network that sees only blurred
# digits learns to read sharp ones worse with every epoch (docs/experiments.md).
_SHARPEN = torch.tensor([[0.0, -0.1, 0.0], [-0.1, 1.4, -0.1], [0.0, -0.1, 0.0]]).view(1, 1, 3, 3)


@dataclass(frozen=True)
class Strength:
    """Standard deviations, in the units named. The defaults are those of a training from random weights."""

    unchanged: float = 0.25  # probability that an image stays as it is
    thicker: float = 2.4  # pixels on each side of a stroke, at most
    thinner: float = 0.8
    turn: float = 0.12  # radians
    slant: float = 0.15
    stretch: float = 0.12  # of the logarithm of the aspect
    bend: float = 0.8  # pixels
    shift: float = 0.5  # pixels, at most; MNIST's moving by whole pixels leaves that much
    zoom: float = 0.0  # of the longer side, at most


def augment(images: Tensor, strength: Strength, random: torch.Generator) -> Tensor:
    """(n, 1, 28, 28) floats from 0 to 1 → the same, each image changed in its own way, or not at all."""
    changed = torch.rand(len(images), generator=random) >= strength.unchanged
    result = images.clone()
    result[changed] = _change(images[changed], strength, random)
    return result


def _change(images: Tensor, strength: Strength, random: torch.Generator) -> Tensor:
    images = change_width(images, strength, random)
    matrices = _affine(len(images), strength, random)
    bends = _bends(len(images), strength, random)
    shifts, zooms = torch.rand(len(images), 3, generator=random).mul(2).sub(1).split((2, 1), dim=1)
    centres, box = CENTRE + shifts * strength.shift, BOX * (1 + zooms * strength.zoom)
    sides, mass = _measure(_sample(images, _warp(_PLACES, matrices, bends)))
    scale = (sides.amax(dim=1, keepdim=True) / box).view(-1, 1, 1, 1)
    # The output's centre shows the warped image's centre of mass. Sampled once from the image itself,
    # for sampling the warped image again would blur it twice.
    places = (_PLACES + HALF - centres.view(-1, 1, 1, 2)) * scale + mass.view(-1, 1, 1, 2) - HALF
    resampled = _sample(images, _warp(places, matrices, bends), "bicubic")
    return conv2d(resampled, _SHARPEN, padding=1).clamp(0, 1)


def change_width(images: Tensor, strength: Strength, random: torch.Generator) -> Tensor:
    """Grow or shrink strokes by up to whole pixels and parts of them: a blend of the image with its
    neighbourhood's maximum or minimum. Squared, for very wide pens are rare."""
    amount = torch.rand(len(images), 1, 1, 1, generator=random) * 2 - 1
    thicker = amount.clamp(min=0).square() * strength.thicker
    thinner = (-amount * strength.thinner).clamp(min=0)
    for _ in range(math.ceil(strength.thicker)):
        images = torch.lerp(images, _spread(images), thicker.clamp(max=1))
        thicker = (thicker - 1).clamp(min=0)
    thinned = torch.lerp(images, -_spread(-images), thinner.clamp(max=1))
    # A thin stroke must not vanish: then it stays as it was.
    kept = thinned.amax(dim=(2, 3), keepdim=True) > 0.5
    return torch.where(kept, thinned, images)


def _spread(images: Tensor) -> Tensor:
    """The maximum over each pixel and its four neighbours: rounder than over a square."""
    rows, columns = max_pool2d(images, (3, 1), 1, (1, 0)), max_pool2d(images, (1, 3), 1, (0, 1))
    return torch.maximum(rows, columns)


def _affine(count: int, strength: Strength, random: torch.Generator) -> Tensor:
    """(n, 2, 2) matrices that turn, slant and stretch."""
    angle, slant, stretch = torch.randn(3, count, generator=random)
    angle, slant = angle * strength.turn, slant * strength.slant
    stretch = (stretch * strength.stretch).exp()
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack([cos * stretch, slant * cos - sin, sin * stretch, slant * sin + cos], dim=1)
    return matrix.view(count, 2, 2)


def _bends(count: int, strength: Strength, random: torch.Generator) -> Tensor:
    """(n, 2, 28, 28) smooth displacements in pixels: noise on a 5 × 5 grid, interpolated (after Simard et
    al., 2003, "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis")."""
    noise = torch.randn(count, 2, 5, 5, generator=random) * strength.bend
    return interpolate(noise, SIZE, mode="bicubic", align_corners=True)


def _warp(places: Tensor, matrices: Tensor, bends: Tensor) -> Tensor:
    """Where each of (n, h, w, 2) places, in pixels from the centre, is to be looked up in the image."""
    bent = grid_sample(
        bends, places.expand(len(bends), -1, -1, -1) / HALF, padding_mode="border", align_corners=True
    )
    return torch.einsum("nij,nhwj->nhwi", matrices, places.expand(len(bends), -1, -1, -1)) + bent.permute(
        0, 2, 3, 1
    )


def _sample(images: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    return grid_sample(images, places / HALF, mode, align_corners=True)


def _measure(images: Tensor) -> tuple[Tensor, Tensor]:
    """The (n, 2) sides of the ink's box and its centre of mass, as x and y in pixels."""
    index = torch.arange(SIZE, dtype=images.dtype)
    sides, centres = [], []
    for axis in (2, 3):
        inked = (images.amax(dim=axis)[:, 0] > INKED).float()
        sides.append(SIZE - inked.argmax(dim=1) - inked.flip(1).argmax(dim=1))
        mass = images.sum(dim=axis)[:, 0]
        centres.append((mass * index).sum(dim=1) / mass.sum(dim=1).clamp(min=1e-6))
    return torch.stack(sides, dim=1), torch.stack(centres, dim=1)
