"""Ablation: D³ without one of its parts, and with one alone, each paired with the baseline and with all of it."""
