"""Caffe's .caffemodel files, read by protobuf; the messages are declared here as far as we need them.

A file is one NetParameter: layers with blobs, the first of them weights, the second biases. Layers come in three
versions, of which two are read: V1, `layers`, and V2, `layer`. Fields that are not declared are skipped [caffe.proto].
"""
import mmap
from functools import cache, partial
from math import prod

import numpy as np

from minifcn.errors import InputError
from minifcn.weights.contents import Contents, Tensor, printable

MESSAGES = {
    "BlobShape": {"dim": (1, "repeated int64")},
    "BlobProto": {"num": (1, "int32"), "channels": (2, "int32"), "height": (3, "int32"), "width": (4, "int32"),
                  "data": (5, "repeated float"), "shape": (7, "BlobShape"), "double_data": (8, "repeated double")},
    "V0LayerParameter": {},
    "V1LayerParameter": {"layer": (1, "V0LayerParameter"), "bottom": (2, "repeated string"), "name": (4, "string"),
                         "blobs": (6, "repeated BlobProto")},
    "LayerParameter": {"name": (1, "string"), "bottom": (3, "repeated string"), "blobs": (7, "repeated BlobProto")},
    "NetParameter": {"layers": (2, "repeated V1LayerParameter"), "layer": (100, "repeated LayerParameter")},
}
LEGACY = ("num", "channels", "height", "width")  # the shape of a blob in the files of 2014
LIMIT = (1 << 31) - 1  # bytes of a message
DIMENSIONS = 32  # of a blob, Caffe's kMaxBlobAxes
PARTS = 100_000  # fields of all layers, 1,000 layers of 100 each: an empty one of 2 bytes takes a hundred in memory
FIXED = {1: 8, 5: 4}  # bytes of a field by its type on the wire, where they are not told


def open_caffe(path):
    """The Contents of a caffemodel: tensors "conv1_1.w", "conv1_1.b", in the order of the file."""
    if not 0 < (size := path.stat().st_size) <= LIMIT:
        raise InputError(f"{path}: {size:,} bytes; a weight file has some, and a caffemodel at most {LIMIT:,}")
    net = _parse(path)
    tensors, bottoms = {}, {}
    for layer in (*net.layers, *net.layer):
        if net.layers and layer.HasField("layer"):
            raise InputError(f"{path}: layers of Caffe's version 0; Caffe's upgrade_net_proto_binary brings it to 2")
        layer_name = _text(layer.name)
        bottoms[layer_name] = list(map(_text, layer.bottom))
        for number, blob in enumerate(layer.blobs):
            name = f"{layer_name}.{'wb'[number] if number < 2 else number}"
            if name in tensors:
                raise InputError(f"{path}: {name}: is there twice")
            tensors[name] = _tensor(blob, number, f"{path}: {name}")
    if not tensors:
        raise InputError(f"{path}: no safetensors file, none of torch's, and no caffemodel with weights")
    return Contents(path, f"caffemodel V{1 if net.layers else 2}", tensors, bottoms=bottoms)


def _parse(path):
    try:
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise InputError(f"{path}: neither a safetensors nor a torch file; if it is a caffemodel, reading it takes "
                         'protobuf: pip install "minifcn[caffe]"') from error
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        with memoryview(mapped) as view:
            try:
                if any(number == PARTS for number, _ in enumerate(_parts(view))):
                    raise InputError(f"{path}: layers of more than {PARTS:,} parts, more than any net has")
                return _messages().FromString(view)
            except (DecodeError, LookupError) as error:
                raise InputError(f"{path}: no safetensors file, none of torch's, and no caffemodel or a damaged one "
                                 f"({error})") from error


def _parts(data):
    """Yield the number of every field of a file and of its layers, from the bytes, before anything is made of them."""
    layers = {MESSAGES["NetParameter"][name][0] for name in ("layers", "layer")}
    for number, start, end in _fields(data, 0, len(data)):
        yield number
        if number in layers:
            yield from (inner for inner, _, _ in _fields(data, start, end))


def _fields(data, at, end):
    """Yield (number, start, end) of every field of the message data[at:end]. LookupError for what is none."""
    while at < end:
        tag, start = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, start)
        elif kind == 2:
            size, start = _varint(data, start)
            at = start + size
        elif kind in FIXED:
            at = start + FIXED[kind]
        else:
            raise LookupError(f"a field of type {kind}")
        if at > end:
            raise LookupError("a field longer than what it is in")
        yield tag >> 3, start, at


def _varint(data, at):
    """(number, where it ends): 7 bits a byte, the lowest first, as long as the eighth is 1."""
    number = 0
    for k in range(10):
        number |= (data[at + k] & 127) << 7 * k
        if data[at + k] < 128:
            return number, at + k + 1
    raise LookupError("a number of more than 10 bytes")


@cache
def _messages():
    """The class of NetParameter, made from MESSAGES."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
    for message, fields in MESSAGES.items():
        made = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            repeated, _, kind = kind.rpartition(" ")
            added = made.field.add(name=name, number=number,
                                   label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL)
            if kind in MESSAGES:
                added.type_name = f".caffe.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def _text(name):
    """A name as it can be shown; protobuf gives a string that is no UTF-8 as bytes."""
    return printable(name if isinstance(name, str) else name.decode(errors="backslashreplace"))


def _tensor(blob, number, where):
    """A blob as a Tensor; where any of the legacy fields is there, they are the shape, as in Caffe itself."""
    if any(map(blob.HasField, LEGACY)):
        shape = tuple(getattr(blob, name) for name in LEGACY)
        if number and shape[:3] == (1, 1, 1):
            shape = shape[3:]  # biases
        elif shape[:2] == (1, 1):
            shape = shape[2:]  # a fully connected layer
    elif len(blob.shape.dim) > DIMENSIONS:
        raise InputError(f"{where}: {len(blob.shape.dim):,} dimensions; a blob has at most {DIMENSIONS}")
    else:
        shape = tuple(blob.shape.dim)
    values, dtype = (blob.double_data, "float64") if blob.double_data else (blob.data, "float32")
    if min(shape, default=0) < 0 or len(values) != prod(shape):
        raise InputError(f"{where}: {len(values):,} numbers for the shape {shape}")
    return Tensor(shape, dtype, partial(_array, values, dtype, shape))


def _array(values, dtype, shape):
    return np.array(values, dtype).reshape(shape)
