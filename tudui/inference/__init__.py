"""What is done with trained weights: scores, predictions, tables of runs; handing a model on, with its card."""
