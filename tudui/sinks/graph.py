"""The network as a graph for TensorBoard: a scope per layer, with its parameters inside and shapes on the edges.

torch's own graph uses `torch.jit.trace`: deprecated, 1.5 s at the start of a run, and a node for every constant.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from torch import Tensor, nn

from tudui.networks import Shape


def network_graph(model: nn.Module, shape: Shape) -> GraphDef:
    """Return the layers of any network, from images to outputs; a forward pass of one image gives the shapes.

    A node is a module without submodules. Operations between two of them become an edge.
    """
    model = deepcopy(model).cpu().eval()
    images = torch.zeros(1, *shape.input, requires_grad=True) * 1  # gives it a grad_fn
    nodes = [_node("images", "Input", [], (-1, *shape.input))]
    made = {images.grad_fn: "images"}  # grad_fn of a tensor -> its node

    def record(scope: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        kind, known = type(module).__name__, {node.name for node in nodes}
        parameters = {f"{scope}/{name}": tensor.shape for name, tensor in module.named_parameters()}
        nodes.extend(_node(name, "Parameter", [], size) for name, size in parameters.items() if name not in known)
        sources = dict.fromkeys(source for tensor in _tensors(inputs) for source in _sources(tensor, made))
        name = f"{scope}/{kind}" if f"{scope}/{kind}" not in known else f"{scope}/{kind}_{len(nodes)}"  # used twice
        outputs = list(_tensors(output))
        node = _node(name, kind, [*sources, *parameters], (-1, *outputs[0].shape[1:]) if outputs else ())
        node.attr["module"].CopyFrom(AttrValue(s=str(module).encode()))
        nodes.append(node)
        made.update({tensor.grad_fn: name for tensor in outputs})

    for name, module in model.named_modules():
        if not list(module.children()):
            scope = name.replace(".", "/") or "network"
            module.register_forward_hook(lambda *called, scope=scope: record(scope, *called))
    outputs = model(images)
    nodes.append(_node("logits", "Output", list(dict.fromkeys(_sources(outputs, made))), ()))
    return GraphDef(node=nodes)


def _tensors(values: Any) -> Iterator[Tensor]:
    """Yield the tensors with a gradient among the inputs or outputs of a module."""
    for value in values if isinstance(values, tuple | list) else (values,):
        if isinstance(value, Tensor) and value.grad_fn is not None:
            yield value


def _sources(tensor: Tensor, made: dict[Any, str]) -> Iterator[str]:
    """Yield the nodes whose outputs a tensor was computed from, without the functions between."""
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        function = waiting.pop()
        if function in made:
            yield made[function]
        elif function is not None and function not in seen:
            seen.add(function)
            waiting += [earlier for earlier, _ in reversed(function.next_functions)]


def _node(name: str, kind: str, inputs: Sequence[str], shape: Sequence[int]) -> NodeDef:
    """Return a node with the shape of its output; -1 is the batch."""
    node = NodeDef(name=name, op=kind, input=inputs)
    if shape:
        dimensions = [TensorShapeProto.Dim(size=size) for size in shape]
        node.attr["_output_shapes"].list.shape.append(TensorShapeProto(dim=dimensions))
    return node
