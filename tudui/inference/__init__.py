"""What is done with trained weights: scores, predictions, tables of runs."""
