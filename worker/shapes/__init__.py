"""Frozen values that travel down the line. They know nothing of files, databases or networks."""
