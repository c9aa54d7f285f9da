"""Decisions without I/O, clock or randomness: facts, policy and `now` are arguments; every answer has its reasons."""
