"""What `trimtab doctor` looks at: each module one part of the surroundings, each answer a `Finding` with its remedy."""
