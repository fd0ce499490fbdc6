"""Datasets: read, checked, scaled and split."""
