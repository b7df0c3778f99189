"""The outlier experiment: a line fitted under several losses, by gradient steps and by a direct solver, in float64."""
