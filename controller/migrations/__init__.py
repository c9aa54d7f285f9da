"""The schema of the store, one file per step in `versions/`, applied when the program starts.

A released step is never changed. A new one is a file `NNNN_noun.py` with `revision` and `down_revision`; there is no
way down: an older program refuses a newer schema, and going back means restoring a backup.
"""
