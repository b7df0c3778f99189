"""The outlier experiment: a line fitted under several losses, by gradient steps and a direct solver, in float64."""
