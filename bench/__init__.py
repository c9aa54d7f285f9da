"""The score card: what trimtab is measured by, each figure with its seed, its data and what was stood in."""
