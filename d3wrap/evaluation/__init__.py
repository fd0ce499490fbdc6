"""Generate features, train the final classifier, and measure it."""

from d3wrap.evaluation.classifier import ClassifierSettings, SoftmaxClassifier, fit_classifier, predict_scores
from d3wrap.evaluation.curve import Curve, harmonic_mean
from d3wrap.evaluation.metrics import Metrics, evaluate_scores
from d3wrap.evaluation.synthesis import synthesise

__all__ = [
    "ClassifierSettings",
    "Curve",
    "Metrics",
    "SoftmaxClassifier",
    "evaluate_scores",
    "fit_classifier",
    "harmonic_mean",
    "predict_scores",
    "synthesise",
]
