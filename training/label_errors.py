"""Label errors: which reviewed labels do other people's drawings speak against?

Each drawing is judged by a classifier that has seen none of its writer's drawings, and confident learning
(Northcutt et al., 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, the library
cleanlab) tells a wrong label from a hard drawing by how sure each label's drawings usually are.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

FOLDS = 5


@dataclass(frozen=True)
class LabelErrors:
    """`at`: where the doubtful labels are, worst first; what each looks like; its label's probability."""

    at: NDArray[np.int64]
    suggestions: NDArray[np.int64]
    qualities: NDArray[np.float64]


def find_label_errors(
    features: NDArray[np.float64],
    labels: NDArray[np.int64],
    writers: NDArray[np.object_],
    known_features: NDArray[np.float64],
    known_labels: NDArray[np.int64],
) -> LabelErrors:
    """(n, d) features, (n,) labels and writers of the drawings; known ones, with every label among them,
    help to judge each fold. Fewer writers than folds are one fold each; without drawings nothing is found."""
    if not len(labels):
        return LabelErrors(np.array([], np.int64), np.array([], np.int64), np.array([]))
    probabilities = np.zeros((len(labels), len(np.unique(known_labels))))
    with threadpool_limits(1):  # thirty times faster than threads that wait for each other
        for others, own in _folds(labels, writers):
            judge = LogisticRegression(C=0.1, max_iter=300)
            judge.fit(
                np.concatenate([known_features, features[others]]),
                np.concatenate([known_labels, labels[others]]),
            )
            probabilities[own] = judge.predict_proba(features[own])
    at = _issues(labels, probabilities)
    return LabelErrors(at, probabilities[at].argmax(1), probabilities[at, labels[at]])


def _issues(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    with warnings.catch_warnings():
        # Of a label that no drawing has, cleanlab warns that it may miss errors.
        warnings.filterwarnings("ignore", "May not flag all label issues", UserWarning)
        found = find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", filter_by="both", n_jobs=1
        )
    return np.asarray(found, np.int64)


def _folds(
    labels: NDArray[np.int64], writers: NDArray[np.object_]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    names = np.array([str(writer) for writer in writers])
    count = min(FOLDS, len(np.unique(names)))
    if count < 2:
        everything = np.arange(len(labels))
        return [(everything[:0], everything)]
    return list(GroupKFold(count).split(labels, groups=names))
