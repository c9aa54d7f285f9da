"""Version v1alpha1 of the group trimtab.dev: one module per kind, `kinds.py` lists them."""
