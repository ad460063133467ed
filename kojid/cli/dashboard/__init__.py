"""The full-screen view of `kojid top`: keys, plots over time, and the screen drawn with rich."""
