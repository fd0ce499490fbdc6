"""Baseline and enhanced arms side by side, paired by seed."""
