"""How tasks reach this host: one module per hub protocol."""
