"""The tests mirror the rooms; helpers are imported as `from tests.x import y`."""
