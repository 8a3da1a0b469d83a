"""The machines: is there a cluster, may this study join it, what fits on it."""
