"""Third-party handlers and callbacks: how they are found and the names they may import."""
