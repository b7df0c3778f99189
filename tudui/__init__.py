"""Tudui: understand and compare loss functions on an image classifier."""

__version__ = "0.1.0"
