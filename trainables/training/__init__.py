"""The epoch loop and what it needs."""
