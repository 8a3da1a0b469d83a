"""Bytes that outlive a worker."""
