"""Studies: collect, train, evaluate, compare; they know every room of the house."""
