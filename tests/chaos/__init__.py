"""Rounds of random faults; see docs/reliability.md."""
