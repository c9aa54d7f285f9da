"""Adapters over the lab: the same program sees a fleet in virtual time through the same ports."""
