"""python -m minifcn.export: a trained net as an ONNX file, for whatever runs those."""
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from minifcn import cli
from minifcn.errors import InputError
from minifcn.model import load
from minifcn.nets.classifier import Classifier

TOLERANCE = 1e-4  # relative error of scores: sums in another order make 1e-6, a wrong graph 1
SIZE = 37, 53  # of the image on which a file is tried: no side a multiple of anything


def parser():
    p = cli.Parser(
        "python -m minifcn.export",
        "Write a trained net as an ONNX file that takes images of any size as they are: image uint8 (N,H,W,3) RGB -> "
        "scores float32 (N,classes,H,W) and labels uint8 (N,H,W). Before it appears it is checked, and compared with "
        "the net where onnxruntime is installed.",
        ["python -m minifcn.export harbour-fcn8s --onnx harbour.onnx",
         "python -m minifcn.export runs/photos/best.safetensors --onnx photos.onnx"])
    p.add_argument("checkpoint", help="a .safetensors checkpoint of a run, or a shipped net such as harbour-fcn8s")
    p.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    text, files, error = write_onnx(args.checkpoint, args.onnx)
    print(text)
    print("checked; " + ("not compared with the net, for which onnxruntime would be needed" if error is None else
                         f"onnxruntime gives the net's scores, relative error {error:.1g}"))
    for file in files:
        print(f"{file}: {file.stat().st_size / 1e6:,.1f} MB")
    if len(files) > 1:
        print("weights of more than 2 GB have a file of their own: keep the two together, under these names")
    return 0


def write_onnx(source, path):
    """Write the net of a checkpoint as an ONNX file; onnx_graph.draw says what is in it.

    Returns what describe() says of the net, the paths of what was written, and what compare() found. The file appears
    whole and sound or not at all. Raises InputError where load() does, where the file exists already, its folder cannot
    be written to, or onnx is not installed.
    """
    try:
        from onnx import checker
    except ImportError as error:
        raise InputError(f'writing ONNX files takes the package onnx ({error}): pip install "minifcn[onnx]"') from error
    from minifcn import onnx_file, onnx_graph

    for taken in (path, onnx_file.beside(path)):
        if taken.exists():
            raise InputError(f"{taken}: exists already; name another file, or remove it")
    model = load(source)
    cli.output_folder(path.parent)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        files = onnx_file.write(Path(folder) / path.name, *onnx_graph.draw(model))
        text = onnx_graph.describe(model)
        image, wanted = trial(model.net)
        del model  # the checker alone takes twice the memory of the weights
        checker.check_model(str(files[0]), full_check=True)
        error = compare(files[0], image, wanted)
        for file in reversed(files):  # the graph last: where it is, all is
            os.replace(file, path.with_name(file.name))
    return text, [path.with_name(file.name) for file in files], error


def trial(net):
    """A small image of noise, (1,H,W,C) as people have it, and the net's scores of it: one array for each head."""
    height, width = (net.side, net.side) if isinstance(net, Classifier) else SIZE
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, net.preprocess.channels), np.uint8)
    scores = net.forward(net.preprocess(image))
    return image, scores if isinstance(scores, tuple) else (scores,)


def compare(path, image, wanted):
    """The relative error of ONNX Runtime's scores of an image, the largest of all heads.

    None where onnxruntime is not installed. Raises InputError where it is beyond TOLERANCE, or does not run at all.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    # as it is: to optimise it would take four times the memory of the weights
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        given, = session.get_inputs()
        names = [out.name for out in session.get_outputs() if out.name.startswith("scores")]
        found = session.run(names, {given.name: image.astype(given.type[len("tensor("):-1])})
    except Exception as error:  # onnxruntime's have no class in common
        raise InputError(f"{path.name}: not written, for onnxruntime {onnxruntime.__version__} cannot run it: "
                         f"{error}") from error
    error = max(float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1)) for a, b in zip(found, wanted, strict=True))
    if not error <= TOLERANCE:
        raise InputError(f"{path.name}: not written, for onnxruntime {onnxruntime.__version__} gives other scores than "
                         f"the net: relative error {error:.1g}")
    return error


if __name__ == "__main__":
    cli.run(main)
