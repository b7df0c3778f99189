"""Backpropagation made visible: one real batch, one thing to see per module."""
