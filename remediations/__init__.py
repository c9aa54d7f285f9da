"""What can be done to a workload, how it is proved to have worked, and how it is undone.

A remediation plans and verifies in pure functions; the one way to change anything is the `Cluster` port in `cluster.py`.
May import `detectors`, never `runbooks` or `controller`.
"""
