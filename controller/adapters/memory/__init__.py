"""In-memory adapters: they ship, keep the ports' promises, and pass the same contract tests as the real ones."""
