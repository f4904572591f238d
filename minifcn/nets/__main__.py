"""python -m minifcn.nets: what the papers' nets are made of."""
from minifcn.cli import Parser, run
from minifcn.errors import InputError
from minifcn.layers import AveragePool2d, Conv2d, ConvTranspose2d, Dropout, LocalResponseNorm, MaxPool2d
from minifcn.nets import build
from minifcn.nets.joints import Crop
from minifcn.nets.memory import inference_bytes, step_bytes
from minifcn.nets.models import MODELS
from minifcn.nets.structure import crops, rows

NAMES = {Conv2d: "conv", ConvTranspose2d: "deconv", MaxPool2d: "max pool", AveragePool2d: "average pool",
         LocalResponseNorm: "norm"}
DIGITS = 6  # of a side


def parser():
    p = Parser(
        "python -m minifcn.nets",
        "Print the structure of the papers' nets, computed from their layers: how many layers with weights lie on the "
        "longest way, learned and stored parameters (the fixed upsampling kernels are stored, C x C x K x K), the "
        "receptive field and the step of the scores in pixels, the offsets of the crops, and for an image of a given "
        "size the multiply-adds in 10^9 and the memory of inference and of a training step in MB. With a name: the "
        "same of that net, layer by layer.",
        ["python -m minifcn.nets", "python -m minifcn.nets voc-fcn8s --size 375x500"])
    p.add_argument("name", nargs="?", choices=tuple(MODELS), metavar="NAME", help=", ".join(MODELS))
    p.add_argument("--size", default="500x500", metavar="HxW", help="of the image (default: %(default)s)")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    height, width = image_size(args.size)
    print(details(args.name, height, width) if args.name else overview(height, width))
    return 0


def image_size(text):
    """"375x500" -> (375, 500)."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and len(side) <= DIGITS and int(side) for side in sides):
        raise InputError(f"--size {text:.40}: two whole numbers of at most {DIGITS} digits are needed, height and "
                         "width, such as 375x500")
    return tuple(map(int, sides))


def overview(height, width):
    """The table of all nets."""
    lines = [f"an image of {height} x {width} pixels", "",
             f"{'':24}{'layers':>7}{'learned':>13}{'stored':>13}{'field':>7}{'step':>6}  {'crops':20}"
             f"{'10^9':>8}{'MB':>7}{'step MB':>9}"]
    for name, model in MODELS.items():
        net = build(seed=None, **model)
        found = rows(net, height, width)
        coarse = next(row for row in found if row.name == net.body.taps[-1])
        lines.append(
            f"{name:24}{max(row.depth for row in found):7}{sum(row.learned for row in found):13,}"
            f"{sum(row.stored for row in found):13,}{coarse.field:7}{coarse.grid.step:6g}  "
            f"{' '.join(map(str, crops(found))):20}{sum(row.products for row in found) / 1e9:8.2f}"
            f"{inference_bytes(net, 1, height, width) / 1e6:7,.0f}{step_bytes(net, 1, height, width, 1) / 1e6:9,.0f}")
    lines += ["", "The papers print a field of 907 for GoogLeNet: that is with the average pooling which they removed."]
    return "\n".join(lines)


def details(name, height, width):
    """The table of one net's layers."""
    found = rows(build(seed=None, **MODELS[name]), height, width)
    wide = max(len(row.name) for row in found) + 2
    lines = [f"{name}, an image of {height} x {width} pixels", "",
             f"{'':{wide}}{'':22}{'map':>16}{'step':>6}{'origin':>8}{'field':>7}{'parameters':>13}{'10^6':>9}"]
    before = "data"
    for row in found:
        fed = "" if row.sources == (before,) else f"   of {', '.join(row.sources)}"
        before = row.name
        numbers = f"{row.stored:13,}" if row.stored else " " * 13
        products = f"{row.products / 1e6:9,.1f}" if row.products else " " * 9
        lines.append(f"{row.name:{wide}}{kind(row.layer):22}{' x '.join(map(str, row.shape[1:])):>16}{row.grid.step:6g}"
                     f"{row.grid.origin:8g}{row.field:7}{numbers}{products}{fed}".rstrip())
    lines += ["", f"{sum(row.learned for row in found):,} learned parameters, {sum(row.stored for row in found):,} "
              f"stored; {sum(row.products for row in found) / 1e9:.2f} * 10^9 multiply-adds",
              "cell 0 of a map is centred on pixel `origin`, its cells lie `step` apart, each sees `field` pixels "
              "along a side"]
    return "\n".join(lines)


def kind(layer):
    """What a layer is, in a few letters: "conv k3 s1 p100", "crop 19"."""
    if isinstance(layer, Crop):
        return f"crop {layer.offset}"
    name = NAMES.get(type(layer), type(layer).__name__.lower())
    if isinstance(layer, Conv2d | ConvTranspose2d | MaxPool2d | AveragePool2d):
        name += f" k{layer.kernel} s{layer.stride} p{layer.pad}"
        groups = getattr(layer, "groups", 1)
        name += (f" d{layer.dilation}" if layer.dilation > 1 else "") + (f" g{groups}" if groups > 1 else "")
    return name + (f" {layer.p:g}" if isinstance(layer, Dropout) else "")


if __name__ == "__main__":
    run(main)
