"""What can be done to a workload, how it is proved to have worked, and how it is undone.

A remediation plans and verifies in pure functions; to change anything, use the `Cluster` port of `cluster.py`.
May import `detectors`, never `runbooks` or `controller`.
"""
