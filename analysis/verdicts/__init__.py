"""What holds: evidence on each claim, and the verdict on it."""
