"""Decisions without I/O, clock or randomness: facts, policy and `now` are arguments, and every answer carries its reasons."""
