"""Task methods: one module per family, their registry and base class."""
