"""The command line, in process where it is pure, against the real API server where it writes."""
