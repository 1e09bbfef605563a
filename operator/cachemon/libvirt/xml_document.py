"""Read XML from untrusted sources.

A document may have no DTD, so there are no entities but XML's five, no files and no network. Its size is limited
here, its depth by libxml2. libvirt writes UTF-8 without a DOCTYPE, which always passes. So does UTF-16 with a byte
order mark, as Windows PowerShell's `virsh dumpxml win11 > win11.xml` writes it.
"""

import codecs

from lxml import etree

from cachemon.model.errors import InvalidInputError

LARGEST_DOCUMENT_BYTES = 1024 * 1024  # ten times the XML of a domain with hundreds of devices

_MARKS_OF_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_document(text: bytes) -> etree._Element:
    """The root element; InvalidInputError when the text is too large, not UTF-8, UTF-16 or XML, or has a DOCTYPE."""
    if len(text) > LARGEST_DOCUMENT_BYTES:
        raise InvalidInputError(f"the XML has {len(text)} bytes, and at most {LARGEST_DOCUMENT_BYTES} are read")
    try:
        characters = text.decode("utf-16" if text.startswith(_MARKS_OF_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as err:
        problem = f"the XML must be UTF-8, as libvirt writes it, or UTF-16 with a byte order mark: {err}"
        raise InvalidInputError(problem) from err
    if "<!DOCTYPE" in characters:
        raise InvalidInputError("the XML must have no <!DOCTYPE>: libvirt writes none, and entities are not read")
    parser = etree.XMLParser(
        encoding="utf-8",  # checked above, whatever the document declares
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        recover=False,
    )
    try:
        return etree.fromstring(characters.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as err:
        raise InvalidInputError(f"the XML can't be read: {err}") from err
