"""Distil a vision-language teacher into a small student that recognises classes it was never trained on.

Paper: *Distilling Large Vision-Language Model with Out-of-Distribution Generalizability*, ICCV 2023, arXiv 2307.03135.
"""
