import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tools.small_layouts import MANIFEST_TYPE, image_layout, layer
from tools.release.images.layout import Descriptor, Layout, is_hidden, join, joined_index, pack, unpack

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
IMAGES = st.dictionaries(
    st.sampled_from(["amd64", "arm64", "ppc64le", "s390x"]),
    st.builds(Descriptor, st.just(MANIFEST_TYPE), DIGESTS.map("sha256:{}".format), st.integers(1, 1 << 20)),
    min_size=1,
)


def joined(folder: Path, **layers: list[bytes]) -> Layout:
    layouts = {name: image_layout(folder / name, name, content) for name, content in layers.items()}
    return join(layouts, {"org.opencontainers.image.title": "small"}, folder / "joined", "1.2.3")


@given(IMAGES)
def test_an_index_names_every_image_by_its_architecture_in_one_order(images: dict[str, Descriptor]) -> None:
    index = joined_index(images, {"b": "2", "a": "1"})
    assert index == joined_index(dict(reversed(images.items())), {"a": "1", "b": "2"})
    manifests = json.loads(index)["manifests"]
    assert [it["platform"] for it in manifests] == [{"architecture": name, "os": "linux"} for name in sorted(images)]
    assert {it["platform"]["architecture"]: it["digest"] for it in manifests} == {
        name: image.digest for name, image in images.items()
    }


def test_a_joined_layout_has_each_image_and_every_blob(tmp_path: Path) -> None:
    found = joined(tmp_path, amd64=[layer({"a": b"x86"})], arm64=[layer({"a": b"arm"})])
    assert found.json(found.top().digest)["annotations"] == {"org.opencontainers.image.title": "small"}
    contents = {name: found.files(image, lambda _: True) for name, image in found.images().items()}
    assert contents == {"amd64": {"a": b"x86"}, "arm64": {"a": b"arm"}}


def test_an_archive_has_the_same_bytes_each_time_and_unpacks_to_the_same_layout(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    layers = [layer({"a": b"1"})]
    first, second = (joined(tmp_path / name, arm64=layers, amd64=layers) for name in "12")
    pack(first, tmp_path / "1.tar")
    pack(second, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    again = unpack(tmp_path / "1.tar", tmp_path / "again")
    assert again.top() == first.top()
    assert again.images() == first.images()


def test_a_layer_replaces_and_removes_files_of_those_below(tmp_path: Path) -> None:
    layout = joined(
        tmp_path,
        amd64=[
            layer({"./etc/a": b"1", "etc/b": b"1", "opt/c/d": b"1", "var/e": b"1"}),
            layer({"etc/a": b"2", "etc/.wh.b": b"", "opt/.wh.c": b"", "var/.wh..wh..opq": b"", "var/f": b"2"}),
        ],
    )
    image = layout.images()["amd64"]
    assert layout.files(image, lambda _: True) == {"etc/a": b"2", "var/f": b"2"}
    assert layout.files(image, lambda path: path.startswith("var/")) == {"var/f": b"2"}


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ("etc/a", "etc/.wh.a"),
        ("etc/a/b", "etc/.wh.a"),
        ("a", ".wh.a"),
        ("a", ".wh..wh..opq"),
        ("etc/a/b", "etc/.wh..wh..opq"),
        ("etc/a", "etc/a"),
    ],
)
def test_a_whiteout_hides_a_path_and_all_below_it(path: str, by: str) -> None:
    assert is_hidden(path, by)


@pytest.mark.parametrize(
    ("path", "by"), [("etc/ab", "etc/.wh.a"), ("etc/a", "opt/.wh..wh..opq"), ("etc/a", "etc"), ("etc/ab", "etc/a")]
)
def test_an_entry_hides_no_other_path(path: str, by: str) -> None:
    assert not is_hidden(path, by)
