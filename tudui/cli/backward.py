"""`tudui backward`: layers, accumulate, precision, depth, check, by-hand."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tudui.cli.commands import Commands
from tudui.cli.flags import Asked, JsonOption, OverwriteOption, choice, configured, how, show
from tudui.cli.printing import print_json, print_line, print_table
from tudui.errors import UsageError

if TYPE_CHECKING:
    from tudui.lab.backward.by_hand import ByHand
    from tudui.lab.backward.layers import Step
    from tudui.lab.backward.precision import Precision

app = Commands(help="See backpropagation at work on one real batch.")

BATCH = (
    "loss",
    "optimizer.lr",
    "data.name",
    "data.dir",
    "data.on_bad_image",
)  # keys that choose the batch and its step
KINDS = ("fp16", "fp16 scaled", "bf16", "bf16 scaled")
SCALE = "The loss is multiplied by it; GradScaler starts at 65536."


@app.command()
@configured(*BATCH, "train.batch_size")
def layers(
    asked: Asked,
    samples: Annotated[int, show("N", "Samples whose outputs and targets are shown.", min=0)] = 3,
    batches: Annotated[int, show("N", "Batches whose loss is shown, before any step.", min=0)] = 5,
    json: JsonOption = False,
) -> None:
    """Do one step and show it: outputs, losses, each layer's gradient, and each weight before and after.

    Examples:
      tudui backward layers
      tudui backward layers --loss huber --batch-size 1
    """
    from tudui.api.backward import first_batch
    from tudui.lab.backward.layers import one_step

    step = one_step(first_batch(asked.config, asked.overrides), samples=samples, batches=batches)
    if json:
        print_json(asdict(step))
    else:
        _print_step(step)


def _print_step(step: "Step") -> None:
    for number, (outputs, target) in enumerate(zip(step.outputs, step.targets, strict=True)):
        shown = " ".join(f"{value:.3f}" for value in outputs[:10])
        print_line(f"sample {number}: target {target}, outputs {shown}{' ...' if len(outputs) > 10 else ''}")
    if step.batch_losses:
        values = " ".join(f"{value:.4f}" for value in step.batch_losses)
        count = f"{len(step.batch_losses)} of {step.batches} batches of {step.batch_size}"
        print_line(f"loss of the first {count}: {values}")
        if step.dropped:
            print_line(f"{step.dropped} images do not fill a batch and are dropped (drop_last)")
    print_line(f"\nbackward from the first batch's mean loss, {step.loss:.4f}")
    gradients, steps = [], []
    for layer in step.layers:
        before = "None" if layer.gradient_before is None else f"{layer.gradient_before:.3g}"
        numbers = [f"{value:.3g}" for value in (layer.norm, layer.mean, layer.largest)]
        gradients.append((layer.name, "x".join(map(str, layer.shape)), before, *numbers, f"{100 * layer.zeros:.1f} %"))
        pull = -layer.rate_times_gradient
        weights = (f"{layer.weight_before:.6f}", f"{layer.weight_after:.6f}")
        share = f"{layer.change / pull:.3f}" if pull else None
        steps.append((layer.name, *weights, f"{layer.change:.3g}", f"{pull:.3g}", share))
    print_table(("layer", "shape", ".grad before", "norm after", "mean |g|", "largest", "zeros"), gradients)
    print_line(f"\none step of {step.optimizer}, rate {step.learning_rate:g}")
    print_line("the weight with each layer's largest gradient")
    print_table(("layer", "before", "after", "change", "-rate x grad", "change / that"), steps)


@app.command()
@configured(*BATCH, "train.batch_size")
def accumulate(asked: Asked, json: JsonOption = False) -> None:
    """Call backward twice: gradients double unless zeroed, and the first graph is freed.

    Examples:
      tudui backward accumulate
      tudui backward accumulate --loss mse --json
    """
    from tudui.api.backward import first_batch
    from tudui.lab.backward.accumulate import accumulate as run

    batch = first_batch(asked.config, asked.overrides)
    found = run(batch)
    if json:
        print_json(asdict(found))
        return
    rows = []
    for layer in found.layers:
        double = "yes" if layer.exactly_double else "no"
        rows.append((layer.name, f"{layer.once:.5g}", f"{layer.twice:.5g}", double, f"off by {layer.halves:.0e}"))
    print_table(("layer", "norm, once", "norm, twice", "exactly double", "two half batches"), rows)
    zeroed = found.grad_after_zeroing
    print_line(f"after zero_grad(), .grad is {'None again' if zeroed is None else f'{zeroed:g}'}")
    if len(batch.labels) > 1 and max(layer.halves for layer in found.layers) < 1e-3:
        print_line("the gradients of the half batches add up to the whole batch's: gradient accumulation works")
    kept = "doubles the gradients too" if found.retained_is_double else "gives other gradients"
    print_line(f"a second backward through a graph kept by retain_graph=True {kept}")
    print_line("one more, through the freed graph, raises RuntimeError:")
    print_line(f"  {found.freed_graph_error}")


@app.command()
@configured(*BATCH, "train.batch_size")
def precision(asked: Asked, scale: Annotated[float, how("FACTOR", SCALE)] = 65536.0, json: JsonOption = False) -> None:
    """Count the gradient values that bf16 and fp16 cannot represent, with and without loss scaling.

    Examples:
      tudui backward precision
      tudui backward precision --scale 1024 --batch-size 256
    """
    if not 0 < scale < float("inf"):
        raise UsageError(f"--scale {scale:g}: must be greater than 0")
    from tudui.api.backward import first_batch
    from tudui.lab.backward.precision import underflow

    found = underflow(first_batch(asked.config, asked.overrides), scale=scale)
    if json:
        print_json(asdict(found))
        return
    print_line("the gradients of an fp32 backward, rounded: share of the nonzero values that become 0")
    _print_lost(found, "underflow")
    print_line(f"scaled: the loss was multiplied by {found.scale:g} before backward")
    for name, least in found.smallest.items():
        print_line(f"{name} represents {least:.2g} to {found.largest[name]:.3g}")
    for kind in KINDS:
        coarse = {one.name: one.lost[kind].coarse for one in (*found.parameters, *found.outputs)}
        worst = max(coarse, key=lambda name: coarse[name])
        print_line(f"{kind}: at most {100 * coarse[worst]:.1f} % stay but lose digits ({worst})")
    if any(lost.overflow for measured in (*found.parameters, *found.outputs) for lost in measured.lost.values()):
        print_line("\nshare that becomes infinite: the scale is too large, and GradScaler would halve it")
        _print_lost(found, "overflow")


def _print_lost(found: "Precision", what: str) -> None:
    rows = []
    for measured in (*found.parameters, *found.outputs):
        shares = (f"{100 * getattr(measured.lost[kind], what):.2f} %" for kind in KINDS)
        rows.append((measured.name, f"{measured.nonzero:,}", f"{measured.median:.1e}", *shares))
    print_table(("gradient of", "nonzero", "median", *KINDS), rows)


@app.command()
@configured(*BATCH)
def depth(
    asked: Asked,
    depth: Annotated[int, how("N", "How often the convolution is repeated, 1 to 200.", min=1, max=200)] = 32,
    out: Annotated[
        Path | None, show("FILE", "Picture to write: .png, .svg or .pdf.  [default: none]", "--out", "-o")
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Repeat a convolution and watch the gradient vanish or explode, depending on the initialisation.

    Examples:
      tudui backward depth
      tudui backward depth --depth 64 --out depth.png
    """
    from tudui.api.backward import first_batch, over_depth

    found = over_depth(first_batch(asked.config, asked.overrides), depth=depth, out=out, overwrite=overwrite)
    if json:
        rows = [{**asdict(one), "factor": one.factor} for one in found]
        print_json({"out": None if out is None else str(out), "depth": depth, "initialisations": rows})
        return
    print_line(f"norm of the gradient, on its way back through {depth} convolutions 32 -> 32")
    places = sorted({0, *(2**power for power in range(8) if 2**power <= depth), depth})
    norms = [(place, *(f"{one.norms[place]:.3g}" for one in found)) for place in places]
    factors = ("-" if one.factor != one.factor else f"{one.factor:.3f}" for one in found)
    columns = ("passed", *(one.initialisation for one in found))
    print_table(columns, norms, left=0, total=("factor of each", *factors))
    for one in found:
        print_line(f"{one.initialisation}: {one.meaning}")
        if not abs(one.loss) < float("inf"):
            print_line(f"{one.initialisation}: its loss is not finite, so there is no gradient")
    if out is not None:
        print_line(f"wrote {out}")


@app.command()
@configured(*BATCH)
def check(
    asked: Asked,
    entries: Annotated[int, how("N", "Random entries of each layer that are compared.", min=1, max=1000)] = 20,
    json: JsonOption = False,
) -> None:
    """Compare each layer's gradient with central differences, in float64.

    Examples:
      tudui backward check
      tudui backward check --loss l1 --entries 50
    """
    from tudui.api.backward import first_batch
    from tudui.lab.backward.check import IMAGES, STEP, check_gradients

    found = check_gradients(first_batch(asked.config, asked.overrides), entries=entries)
    largest = max(layer.difference for layer in found)
    if json:
        print_json({"largest_difference": largest, "layers": [asdict(layer) for layer in found]})
        return
    rows = []
    for layer in found:
        values = (f"{layer.autograd:.6e}", f"{layer.central:.6e}", f"{layer.difference:.0e}")
        rows.append((layer.name, layer.entries, ",".join(map(str, layer.entry)), *values))
    print_table(("layer", "entries", "worst entry", "autograd", "central difference", "relative"), rows)
    print_line(f"largest relative difference {largest:.1e}; {IMAGES} images, step {STEP:g}")


@app.command("by-hand")
@configured("loss")
def by_hand_command(
    asked: Asked,
    inputs: Annotated[str, choice("NUMBERS", "The two inputs.", "--input", "-i")] = "0.5,-1",
    target: Annotated[float, choice("NUMBER", "A number; for a loss of classes 0 or 1.", "--target", "-t")] = 1.0,
    seed: Annotated[int, choice("N", "Seed of the weights.")] = 0,
    json: JsonOption = False,
) -> None:
    """Apply the chain rule by hand to a two-layer network; every factor is a number, and autograd agrees.

    The default loss is mse. A loss of numbers has one output, a loss of classes two logits.

    Examples:
      tudui backward by-hand --loss mse
      tudui backward by-hand --loss ce --input 1,2 --target 0
    """
    from tudui.api.backward import by_hand

    found = by_hand(asked.config, asked.overrides, inputs=inputs, target=target, seed=seed)
    if json:
        print_json(asdict(found))
    else:
        _print_by_hand(found)


def _print_by_hand(found: "ByHand") -> None:
    weight = {name: _factor(value, "g") for name, value in found.weights.items()}
    unit = {name: f"{value:.4f}" for name, value in found.forward.items()}
    below = {"x1": _factor(found.inputs[0], "g"), "x2": _factor(found.inputs[1], "g")}
    below |= {name: _factor(found.forward[name]) for name in ("h1", "h2")}

    def print_sum(result: str, weights: str, inputs: str, bias: str) -> None:
        number = result[-1]
        names = f"{weights}{number}1·{inputs}1 + {weights}{number}2·{inputs}2 + {bias}{number}"
        terms = (f"{weight[f'{weights}{number}{i}']}·{below[f'{inputs}{i}']}" for i in (1, 2))
        print_line(f"  {result} = {names} = {' + '.join(terms)} + {weight[f'{bias}{number}']} = {unit[result]}")

    print_line("forward")
    for j in (1, 2):
        print_sum(f"a{j}", "w", "x", "b")
        print_line(f"  h{j} = tanh(a{j}) = {unit[f'h{j}']}")
    for output in (name for name in unit if name.startswith("o")):
        print_sum(output, "v", "h", "c")
    print_line(f"  {found.loss} against {found.target:g}: L = {unit['loss']}\n")
    print_line("backward")
    for product in found.products:
        names = " + ".join(" · ".join(factor.name.split(" = ")[0] for factor in path) for path in product.paths)
        numbers = " + ".join(" · ".join(_factor(factor.value) for factor in path) for path in product.paths)
        print_line(f"  dL/d{product.weight} = {names}")
        print_line(f"         = {numbers} = {product.by_hand:.6f}   autograd {product.autograd:.6f}")
    worst = max(abs(product.by_hand - product.autograd) for product in found.products)
    print_line(f"largest difference from autograd: {worst:.0e}")


def _factor(value: float, form: str = ".4f") -> str:
    return f"{value:{form}}" if value >= 0 else f"({value:{form}})"
