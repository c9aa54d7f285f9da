"""What can be done, and how it is undone: tests of the remediations room."""
