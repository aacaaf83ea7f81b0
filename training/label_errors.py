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
    """`at`: where the doubtful labels are, worst first; the label that each looks like; its label's
    probability."""

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
    """(n, d) features, (n,) labels and writers of the drawings; known ones are judged along with them, so
    that every label has examples that are right, even where all drawings of a digit are called another."""
    everything, all_labels = (
        np.concatenate([features, known_features]),
        np.concatenate([labels, known_labels]),
    )
    groups = [*map(str, writers), *(f"known {number % FOLDS}" for number in range(len(known_labels)))]
    probabilities = np.zeros((len(all_labels), len(np.unique(known_labels))))
    with threadpool_limits(1):  # thirty times faster than threads that wait for each other
        for others, own in GroupKFold(FOLDS).split(everything, groups=groups):
            judge = LogisticRegression(C=0.1, max_iter=300).fit(everything[others], all_labels[others])
            probabilities[own] = judge.predict_proba(everything[own])
    at = _issues(all_labels, probabilities)
    at = at[at < len(labels)]
    return LabelErrors(at, probabilities[at].argmax(1), probabilities[at, labels[at]])


def _issues(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    with warnings.catch_warnings():
        # Of a label that no drawing has, cleanlab warns that it may miss errors.
        warnings.filterwarnings("ignore", "May not flag all label issues", UserWarning)
        found = find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", filter_by="both", n_jobs=1
        )
    return np.asarray(found, np.int64)
