"""What it costs to play a fleet in virtual time."""
