"""The best line under a loss, from a direct solver: the limit of gradient steps."""

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.sparse import eye, hstack

from tudui.lab.choice import ChosenLoss
from tudui.lab.line_fit.steps import Line, LineLoss, unscaled

ROUNDS = 2_000


def best_line(chosen: ChosenLoss, x: np.ndarray, y: np.ndarray) -> Line:
    """Return the line of least mean loss: closed form for mse, linear program for l1 and quantile, else Newton's.

    For a loss that is not convex this is the local optimum reached from the least squares line.
    """
    centre, spread = x.mean(), x.std()
    across = (x - centre) / spread  # far from 0, for example years, the solvers would lose all digits
    if chosen.spec.name == "mse":
        weights = least_squares(across, y)
    else:
        solve = _linear_program if chosen.spec.name in ("l1", "quantile") else _newton
        weights = solve(LineLoss(chosen, across, y), across, y)
    return LineLoss(chosen, x, y).line(unscaled(weights, centre, spread))


def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (intercept, slope): the slope is covariance / variance, and the line passes through the means."""
    across, up = x - x.mean(), y - y.mean()
    slope = (across @ up) / (across @ across)
    return np.array([y.mean() - slope * x.mean(), slope])


def _linear_program(loss: LineLoss, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Minimise tau sum(above) + (1 - tau) sum(below), subject to line + above - below = y and above, below >= 0."""
    number, tau = len(x), getattr(loss.chosen.parameters, "tau", 0.5)
    cost = np.concatenate([np.zeros(2), np.full(number, tau), np.full(number, 1 - tau)])
    constraints = hstack([loss.design.numpy(), eye(number), -eye(number)], format="csr")
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * number)
    solved = linprog(cost, A_eq=constraints, b_eq=y, bounds=bounds, method="highs")
    assert solved.success, solved.message
    return np.asarray(solved.x[:2])


def _newton(loss: LineLoss, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Newton steps if they help, else reweighted least squares, which never makes a Huber-like loss worse.

    Autograd computes slope and curvature of every term from the loss itself.
    """
    design = loss.design.numpy()
    weights = least_squares(x, y)
    here = float(loss(torch.from_numpy(weights)))
    for _ in range(ROUNDS):
        prediction = torch.from_numpy(design @ weights).requires_grad_()
        (slopes,) = torch.autograd.grad(loss.terms(prediction).sum(), prediction, create_graph=True)
        (curvatures,) = torch.autograd.grad(slopes.sum(), prediction)
        slope, residual = slopes.detach().numpy(), design @ weights - y
        gradient = design.T @ slope
        influence = np.divide(slope, residual, out=curvatures.numpy().copy(), where=residual != 0)
        for factors in (curvatures.numpy(), influence):
            matrix = design.T @ (factors[:, None] * design)
            if np.linalg.cond(matrix) > 1e12:
                continue
            candidate = weights - np.linalg.solve(matrix, gradient)
            there = float(loss(torch.from_numpy(candidate)))
            if there < here:
                weights, here = candidate, there
                break
        else:
            break  # neither step helps: this is the optimum, up to rounding
    return weights
