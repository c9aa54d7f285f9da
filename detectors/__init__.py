"""What the numbers say: pure functions of arrays.

Nothing here knows a network, a clock or Kubernetes; import-linter holds that. Missing is NaN, never zero. A detector
that cannot know answers with an abstention instead of a guess.
"""
