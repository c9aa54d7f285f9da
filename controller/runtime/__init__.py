"""Keeps the loops going: watch, keyed queue, reconcile, lease, fencing, executor, schedule, worker processes."""
