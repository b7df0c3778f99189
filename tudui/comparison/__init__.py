"""Which loss is better: the same run under each of them, over seeds and noise levels, and what follows from it."""
