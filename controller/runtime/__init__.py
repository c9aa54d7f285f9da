"""What keeps the loops going: watch, keyed queue, reconcile, lease and fencing, executor, schedule, worker processes."""
