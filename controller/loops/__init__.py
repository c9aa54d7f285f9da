"""The loops, one screen each: observe, detect, diagnose, decide, act, learn. They know ports, never adapters."""
