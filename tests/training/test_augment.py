"""Augmentation of batches."""

import torch

from classifier.model import to_tensor
from tests import samples
from training.augment import Strength, augment, change_width

IMAGES = to_tensor(torch.from_numpy(samples.mnist().train.images[:200]))
ALL = Strength(unchanged=0)
STILL = Strength(unchanged=0, thicker=0, thinner=0, turn=0, slant=0, stretch=0, bend=0, shift=0.5, zoom=0)
INDEX = torch.arange(28, dtype=torch.float32)


def augmented(strength: Strength, seed: int = 0) -> torch.Tensor:
    return augment(IMAGES, strength, torch.Generator().manual_seed(seed))


def test_shape_and_range_stay() -> None:
    images = augmented(Strength())
    assert images.shape == IMAGES.shape
    assert images.min() >= 0
    assert images.max() <= 1


def test_one_seed_gives_the_same_images_and_another_others() -> None:
    assert torch.equal(augmented(Strength(), seed=1), augmented(Strength(), seed=1))
    assert not torch.allclose(augmented(Strength(), seed=1), augmented(Strength(), seed=2), atol=0.1)


def test_every_image_is_changed_in_its_own_way() -> None:
    same = IMAGES[:1].expand(20, -1, -1, -1)
    images = augment(same, ALL, torch.Generator().manual_seed(0)).flatten(1)
    assert torch.pdist(images).min() > 1


def test_without_strength_only_parts_of_a_pixel_change() -> None:
    # The centre of mass is anywhere in its pixel, as MNIST's is.
    assert (augmented(STILL) - IMAGES).abs().mean() < 0.05


def test_the_result_is_normalised_as_serving_normalises() -> None:
    images = augmented(ALL)[:, 0]
    mass = images.sum(dim=(1, 2))
    for axis in (1, 2):
        centre = (images.sum(dim=axis) * INDEX).sum(dim=1) / mass
        assert ((centre - 14).abs() < 1.25).float().mean() > 0.95
    sides = torch.stack([(images.amax(dim=axis) > 0.2).sum(dim=1) for axis in (1, 2)]).amax(dim=0)
    assert ((sides >= 18) & (sides <= 22)).float().mean() > 0.95


def test_strokes_get_thicker_and_thinner_and_never_vanish() -> None:
    images = change_width(IMAGES, Strength(), torch.Generator().manual_seed(0))
    growth = images.sum(dim=(1, 2, 3)) / IMAGES.sum(dim=(1, 2, 3))
    assert growth.max() > 1.5
    assert growth.min() < 0.8
    assert images.amax(dim=(1, 2, 3)).min() > 0.5


def test_some_images_stay_as_they_are() -> None:
    same = (augmented(Strength()) == IMAGES).flatten(1).all(dim=1)
    assert 0.15 < same.float().mean() < 0.35


def test_edges_stay_about_as_steep_as_they_were() -> None:
    def steepness(images: torch.Tensor) -> torch.Tensor:
        return images.diff(dim=3).abs().mean() / images.mean()

    still = Strength(unchanged=0, thicker=0, thinner=0)
    assert 0.95 < steepness(augmented(still)) / steepness(IMAGES) < 1.1
