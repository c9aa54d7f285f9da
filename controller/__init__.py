"""The running program: three loops that share one gate, one ledger and one log.

The rooms: `core` decides and touches nothing, `loops` read like the design, `runtime` keeps them going, `adapters` hold
one third-party client each, and `app.py` is the one place where adapters meet the core.
"""
