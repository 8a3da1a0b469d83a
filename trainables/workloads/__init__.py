"""What is learned on, one file each."""
