"""Inference of a case in ONNX Runtime, by the graph that python -m minifcn.export draws, from the same input on."""
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks import cases, ours
from minifcn.onnx_graph import IR_VERSION, OPSET
from minifcn.onnx_layers import Drawing


def prepare(case, threads):
    """As ours.prepare, for inference of nets."""
    options = case.options
    session = _session(ours.net_of(options), threads)
    x = cases.image(options)

    def inference():
        return session.run(None, {"data": x})[0]
    return inference, inference


def _session(net, threads):
    to, maps = Drawing(), {"data": "data"}
    to.layers(net.body, maps)
    to.layers(net.heads[0].graph, maps)
    to.nodes[-1].output[0] = "scores"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", channels, "H", "W"])
            for name, channels in (("data", 3), ("scores", net.classes))]
    arrays = [numpy_helper.from_array(array, name) for name, array in to.arrays.items()]
    graph = helper.make_graph(to.nodes, net.name, ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
