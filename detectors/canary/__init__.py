"""Judging a new version by what it counts beside the old one: evidence, a sequential test, a verdict."""
