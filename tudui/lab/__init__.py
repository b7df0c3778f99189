"""The loss lab: values, curves, a line fit and backpropagation, with the losses that training uses."""
