"""ONNX files, written around weights that stay where they are.

A file is one message of protobuf, whose fields are a tag, a length and a content that may be a message again. onnx
makes all of it but the numbers, which go from the net's arrays to the file: the whole as a message, and that as bytes,
would take VGG16's 540 MB twice more.
"""
import os

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

LIMIT = 2**31 - 2**24  # bytes of arrays; a message of protobuf ends at 2 GB, and the nodes need some
SMALL = 1024  # bytes of an array that shapes may depend on: those stay inside


def write(path, model, arrays):
    """Write a ModelProto that lacks its arrays, and {name: array}; the ModelProto is used up.

    Returns the files' paths: `path`, and where 2 GB do not hold all arrays, `path`.data, which belongs beside it.
    """
    inside, outside = dict(arrays), beside(path)
    files = [path]
    if sum(array.nbytes for array in arrays.values()) > LIMIT:
        files.append(outside)
        with open(outside, "wb") as file:
            for name in [name for name, array in arrays.items() if array.nbytes > SMALL]:
                model.graph.initializer.append(_elsewhere(name, inside.pop(name), file, outside.name))
            _flush(file)
    parts = [model.graph.SerializeToString()]
    model.ClearField("graph")
    for name, array in inside.items():
        head = _tensor(name, array).SerializeToString() + _field(TensorProto.RAW_DATA_FIELD_NUMBER, array.nbytes)
        parts += [_field(GraphProto.INITIALIZER_FIELD_NUMBER, len(head) + array.nbytes), head, _bytes(array)]
    with open(path, "wb") as file:
        file.write(model.SerializeToString() + _field(ModelProto.GRAPH_FIELD_NUMBER, sum(map(len, parts))))
        file.writelines(parts)
        _flush(file)
    return files


def beside(path):
    """Where arrays go for which `path` has no room."""
    return path.with_name(f"{path.name}.data")


def _tensor(name, array, **fields):
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return TensorProto(name=name, dims=array.shape, data_type=kind, **fields)


def _elsewhere(name, array, file, location):
    """Write an array to a file; the TensorProto that says where."""
    where = {"location": location, "offset": file.tell(), "length": array.nbytes}
    file.write(_bytes(array))
    return _tensor(name, array, data_location=TensorProto.EXTERNAL,
                   external_data=[{"key": key, "value": str(value)} for key, value in where.items()])


def _bytes(array):
    return array.reshape(-1).view(np.uint8)


def _field(number, length):
    """What comes before `length` bytes of content: 7 bits a byte, the low ones first, a set top bit means more."""
    wire = bytearray()
    for value in (number << 3 | 2, length):  # 2: its length is given
        while value > 127:
            wire.append(value & 127 | 128)
            value >>= 7
        wire.append(value)
    return bytes(wire)


def _flush(file):
    file.flush()
    os.fsync(file.fileno())
