"""The network as a graph for TensorBoard: a scope per layer, with its parameters inside and shapes on the edges."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from torch import nn


def network_graph(model: nn.Module) -> GraphDef:
    """Return a chain of layers, from images [B, 3, 32, 32] to logits; one image tells the shapes."""
    values = torch.zeros(1, 3, 32, 32)
    nodes = [_node("images", "Input", [], (-1, *values.shape[1:]))]
    for layer, module in deepcopy(model).cpu().requires_grad_(False).named_children():
        parameters = [
            _node(f"{layer}/{name}", "Parameter", [], tensor.shape) for name, tensor in module.named_parameters()
        ]
        values = module(values)
        inputs = [nodes[-1].name, *(parameter.name for parameter in parameters)]
        node = _node(f"{layer}/{type(module).__name__}", type(module).__name__, inputs, (-1, *values.shape[1:]))
        node.attr["module"].CopyFrom(AttrValue(s=str(module).encode()))
        nodes += [*parameters, node]
    nodes.append(_node("logits", "Output", [nodes[-1].name], ()))
    return GraphDef(node=nodes)


def _node(name: str, kind: str, inputs: Sequence[str], shape: Sequence[int]) -> NodeDef:
    """Return a node whose output has a shape, -1 for the images of a batch."""
    node = NodeDef(name=name, op=kind, input=inputs)
    if shape:
        dimensions = [TensorShapeProto.Dim(size=size) for size in shape]
        node.attr["_output_shapes"].list.shape.append(TensorShapeProto(dim=dimensions))
    return node
