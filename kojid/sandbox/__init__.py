"""Everything around a builder on one machine: hub, distribution and a stand-in for mock."""
