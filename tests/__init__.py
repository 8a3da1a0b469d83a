"""The tests, a package for what their folders share."""
