"""Compare losses: the same run with each of them, over seeds and noise levels, and the statistics of the results."""
