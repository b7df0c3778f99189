"""The loss lab: values, curves, a line fit and backpropagation, on the very losses that training uses."""
