"""What to do when: runbooks as data, loaded strictly, checked and tested in their own file.

A runbook names evidence and remediations; matching yields candidates and decides nothing. May import `remediations` and
`detectors`, never `controller`.
"""
