"""Task handlers: one module a family of methods, the base that all share, the registry of what is built in."""
