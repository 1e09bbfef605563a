import codecs
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.libvirt.xml_document import LARGEST_DOCUMENT_BYTES, read_document
from cachemon.model.errors import InvalidInputError

BOMB = "<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;&b;'>]><a>&c;</a>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB.encode(), "no <!DOCTYPE"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "no <!DOCTYPE"),
        (b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE a+AD4-<a/>", "can't be read"),
        (BOMB.encode("utf-16"), "no <!DOCTYPE"),
        (BOMB.encode("utf-16-le"), "can't be read"),
        ("<a>é</a>".encode("latin-1"), "must be UTF-8"),
        ("<a/>".encode("utf-16") + b"\x00", "must be UTF-8, as libvirt writes it, or UTF-16"),
        ("<a/>".encode("utf-32"), "can't be read"),
        (b"<a>" + b" " * LARGEST_DOCUMENT_BYTES + b"</a>", "at most 1048576 are read"),
        (b"<a>" * 1000 + b"</a>" * 1000, "can't be read"),
        (b"<a>&undefined;</a>", "can't be read"),
        (b"", "can't be read"),
        (b"no xml", "can't be read"),
        (b"<a><b></a>", "can't be read"),
        (b"<a>\x00</a>", "can't be read"),
    ],
)
def test_what_could_do_harm_or_is_no_xml_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        read_document(text)


def test_a_declared_encoding_a_bom_and_comments_do_no_harm() -> None:
    assert (
        read_document(b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><!-- by virsh --><a>\xc3\xa9</a>").text
        == "é"
    )


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_file_that_powershell_redirected_is_read(mark: bytes) -> None:
    text = "<?xml version='1.0' encoding='utf-8'?>\r\n<a>é</a>\r\n"
    assert read_document(mark + text.encode("utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be")).text == "é"


def test_the_five_entities_of_xml_are_understood() -> None:
    assert read_document(b"<a>&lt;&amp;&gt;&quot;&apos;</a>").text == "<&>\"'"


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(text: bytes) -> None:
    with suppress(InvalidInputError):
        read_document(text)
