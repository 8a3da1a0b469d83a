"""Images as bytes, split once and for all."""
