"""python -m minifcn.datasets: make, inspect, import and fetch data sets."""
import argparse
from pathlib import Path

from minifcn.cli import OneLine, run
from minifcn.datasets.sources import SOURCES

EPILOG = """\
VOC layout, which training reads, is a folder with
  JPEGImages/ID.jpg                  photographs (.jpg .jpeg .png)
  SegmentationClass/ID.png           masks: palette or grey PNGs of class numbers; 255 = ignored
  ImageSets/Segmentation/train.txt   IDs, one a line; val.txt likewise
  classes.txt                        class names, one a line, from number 0 on (without it: the 21 of PASCAL VOC)

examples
  python -m minifcn.datasets import labelled/ data/mine      anything below, into VOC layout
  python -m minifcn.datasets inspect data/mine               figures, a picture, and what is wrong
  python -m minifcn.train --data data/mine
  python -m minifcn.datasets voc2012 --root data             published data sets: fetched, checked, unpacked
"""
IMPORT = """\
Turn a data set into VOC layout. What it is, is found out and printed:
  labelme         a folder of JSON files, photographs beside or in them; or its VOC export: JPEGImages/,
                  SegmentationClass(PNG)/, class_names.txt
  CVAT            export "Segmentation mask 1.1" with images, unpacked: JPEGImages/, SegmentationClass/, labelmap.txt
  COCO            JSON with polygons or run lengths, alone or in annotations/; photographs anywhere below SRC
  plain folders   images/ and masks/ of the same names (p1.jpg with p1.png or p1_mask.png); masks of class numbers,
                  or of colours with a labelmap.txt beside them: lines name:r,g,b

Masks are never resampled. Classes called void, ignore, ignored or __ignore__ become 255.
"""
INSPECT = """\
Print the splits, every class's share and images, and the best IU that nets of step 32, 16 and 8 could reach on these
masks ("which net do my objects need?"); write a picture of image, mask and overlay; list everything that is wrong with
the folder, with exit status 2 if there is anything.
"""
FETCH = """\
A download that broke off goes on where it was, and what is there already stays. Where a host is gone, fetch the file
from wherever you trust and name it: --archive FILE. What its name has after the first dot does not matter.
"""


def parser():
    top = OneLine("python -m minifcn.datasets", description="Make, inspect, import and fetch data sets.",
                  epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True, metavar="harbour | inspect | import | NAME")

    def command(name, summary, description):
        return commands.add_parser(name, help=summary, description=description,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)

    harbour = command("harbour", "make the embedded data set", "Make the embedded data set Harbour: generated scenes "
                      "by the water, the same on every machine.")
    harbour.add_argument("--out", default="data/harbour", metavar="DIR", help="where to (default: %(default)s)")

    look = command("inspect", "look at a data set: figures, a picture, everything wrong with it", INSPECT)
    look.add_argument("dir", metavar="DIR", help="a folder in VOC layout, or a parent of it")
    look.add_argument("--split", metavar="S", help="only this split (default: all images in any list)")
    look.add_argument("--out", metavar="FILE", help="the picture (default: inspect-<folder>.png here)")

    bring = command("import", "labelme, CVAT, COCO, or folders of images and masks into VOC layout", IMPORT)
    bring.add_argument("src", metavar="SRC", help="a folder, or a COCO JSON file")
    bring.add_argument("out", metavar="OUT", help="a new folder")
    bring.add_argument("--foreground", type=int, metavar="N",
                       help="masks hold 0 and N only, and N (usually 255) is the foreground, class 1")
    bring.add_argument("--classes", metavar="A,B,...", help="class names in order, or a file with one a line, where "
                       "the source has none or for an order of your own")
    bring.add_argument("--val-share", type=float, default=0.2, metavar="X",
                       help="share of the images for validation (default: %(default)s); not used where the source has "
                       "a training and a validation set")
    bring.add_argument("--seed", type=int, default=0, metavar="N", help="draws that share (default: %(default)s)")

    for name, source in SOURCES.items():
        fetch = command(name, source.title, f"{source.describe()}\n{FETCH}")
        fetch.add_argument("--root", default="data", metavar="DIR", help="where to (default: %(default)s)")
        fetch.add_argument("--archive", action="append", default=[], metavar="FILE",
                           help="a file fetched by hand, taken instead of fetching it; may be given several times")
        fetch.add_argument("--remove-archive", action="store_true", help="delete what was fetched once it is unpacked")
    return top


def main(argv=None):
    args = parser().parse_args(argv)
    if args.command == "harbour":
        from minifcn.datasets.harbour import make

        print(f"Harbour is in {make(Path(args.out))}")
    elif args.command == "inspect":
        from minifcn.datasets.inspecting import inspect

        inspect(args.dir, args.split, args.out)
    elif args.command in SOURCES:
        from minifcn.datasets.obtaining import obtain

        obtain(SOURCES[args.command], args.root, args.archive, args.remove_archive)
    else:
        from minifcn.datasets.importing import import_folder

        import_folder(args.src, args.out, foreground=args.foreground, seed=args.seed, val_share=args.val_share,
                      classes=args.classes)
    return 0


if __name__ == "__main__":
    run(main)
