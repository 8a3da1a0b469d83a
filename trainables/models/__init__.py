"""Networks, several replicates at a time."""
