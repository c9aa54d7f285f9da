"""Detectors of what is not normal, each one file."""
