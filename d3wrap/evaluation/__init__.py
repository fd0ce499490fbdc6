"""Metrics and the classifiers they are taken from."""
