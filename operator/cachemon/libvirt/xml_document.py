"""XML from anywhere, read without doing anything that it says.

No DTD, so no entities but the five of XML, no files and no network; a bound on the size, and libxml2's own on the
depth. libvirt writes UTF-8 without a DOCTYPE, so nothing that it writes is refused.
"""

from lxml import etree

from cachemon.model.errors import InvalidInputError

__all__ = ["LARGEST_DOCUMENT_BYTES", "read_document"]

LARGEST_DOCUMENT_BYTES = 1024 * 1024
"""The XML of a domain with hundreds of devices has a tenth of that."""


def read_document(text: bytes) -> etree._Element:
    """The root element of a document.

    Raises:
        InvalidInputError: it is too large, is no UTF-8, has a DOCTYPE, or is not well-formed.
    """
    if len(text) > LARGEST_DOCUMENT_BYTES:
        raise InvalidInputError(f"the XML has {len(text)} bytes; more than {LARGEST_DOCUMENT_BYTES} are not read")
    try:
        characters = text.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InvalidInputError(f"the XML must be UTF-8, as libvirt writes it: {err}") from err
    if "<!DOCTYPE" in characters:
        raise InvalidInputError("the XML must have no <!DOCTYPE>: libvirt writes none, and entities are not read")
    parser = etree.XMLParser(
        encoding="utf-8",  # whatever the document claims: it was looked at as UTF-8
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
