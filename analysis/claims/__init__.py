"""What is claimed: the file, its questions, and what is fixed about a data set."""
