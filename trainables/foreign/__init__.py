"""Foreign code: optimizers of users' files and of installed packages. It runs apart, and must leave torch as it is."""
