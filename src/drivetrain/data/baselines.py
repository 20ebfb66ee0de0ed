"""Mean IoU, and what two guesses without a model reach: anything worth training must beat both."""

from __future__ import annotations

from typing import cast

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Bytes, Floats, Ints
from drivetrain.data.classes import CLASSES, UNLABELLED
from drivetrain.data.dataset import DataSet


def confusion(label: Bytes, prediction: Bytes, *, num_classes: int = len(CLASSES)) -> Ints:
    """Pixels by true class (rows) and predicted class (columns), C x C int64; unlabelled pixels are left out.

    Raises: ValueError: different shapes, or a predicted class that does not exist.
    """
    if label.shape != prediction.shape:
        raise ValueError(f"labels have shape {label.shape}, predictions {prediction.shape}")
    known = label != UNLABELLED
    truth, guess = label[known].astype(np.int64), prediction[known].astype(np.int64)
    largest = max(truth.max(initial=0), guess.max(initial=0))
    if largest >= num_classes:
        raise ValueError(f"classes must be 0 .. {num_classes - 1}; found {largest}")
    counts = np.bincount(truth * num_classes + guess, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def iou_per_class(confusion_CC: Ints) -> Floats:
    """Intersection over union of each class, NaN for a class that is neither in the labels nor predicted."""
    hits = np.diagonal(confusion_CC).astype(np.float64)
    union = confusion_CC.sum(axis=0) + confusion_CC.sum(axis=1) - hits
    iou: Floats = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
    return iou


def mean_iou(confusion_CC: Ints) -> float:
    """Mean of `iou_per_class` over classes that are in the labels or predicted; 0 when there are none.

    All pixels of the split are counted together first, so a class in few frames weighs as much as any other.
    """
    iou = iou_per_class(np.asarray(confusion_CC))
    return float(np.nanmean(iou)) if np.isfinite(iou).any() else 0.0


def baselines(dataset: DataSet) -> dict[str, float]:
    """Mean IoU on the held-out split of two guesses learnt from the train split, by what they are called.

    `majority class` says the commonest class everywhere; `per-pixel prior` says at each pixel what is commonest there.
    Raises: DataError: a split is empty. SampleError: a sample is damaged.
    """
    counts = _counts(dataset)
    majority = int(counts.sum(axis=(1, 2)).argmax())
    prior = np.where(counts.any(axis=0), counts.argmax(axis=0), majority).astype(np.uint8)
    scored = {"majority class": np.full_like(prior, majority), "per-pixel prior": prior}
    totals = {name: np.zeros((len(dataset.classes),) * 2, np.int64) for name in scored}
    if not len(dataset.rows("held_out")):
        raise DataError(f"data set {dataset.path} has no held-out samples to score")
    for sample in dataset.samples("held_out"):
        for name, guess in scored.items():
            totals[name] += confusion(sample.label, guess, num_classes=len(dataset.classes))
    return {name: mean_iou(total) for name, total in totals.items()}


def class_shares(dataset: DataSet) -> Floats:
    """Share of each class among the labelled pixels of the train split, C float64; they sum to 1.

    Raises: DataError: the split has no labels. SampleError: a sample is damaged.
    """
    counts = _counts(dataset).sum(axis=(1, 2))
    return cast(Floats, counts / counts.sum())


def _counts(dataset: DataSet) -> Ints:
    """How often each class is at each pixel of the train split, C x H x W."""
    counts = np.zeros((len(dataset.classes), dataset.manifest.height, dataset.manifest.width), np.int64)
    for sample in dataset.samples("train"):
        counts += sample.label == np.arange(len(dataset.classes), dtype=np.uint8)[:, None, None]
    if not counts.any():
        raise DataError(f"data set {dataset.path} has no labels to learn from in its train split")
    return counts
