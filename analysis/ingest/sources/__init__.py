"""Programs whose results can be read, one file each."""
