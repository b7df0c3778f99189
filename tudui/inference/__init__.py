"""Trained weights: scores, predictions, tables of runs, export with a model card."""
