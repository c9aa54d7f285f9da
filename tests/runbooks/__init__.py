"""Tests of the runbooks room."""
