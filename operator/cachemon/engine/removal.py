"""Taking our mon_groups along when nobody is to work on the tree after us."""

import logging

from cachemon.model.errors import ResctrlError
from cachemon.resctrl.tree import ResctrlTree

__all__ = ["remove_mon_groups"]

log = logging.getLogger(__name__)


def remove_mon_groups(tree: ResctrlTree) -> None:
    """Remove all that are ours; the kernel moves their threads to the group above. What fails stays, and is told."""
    try:
        with tree.locked():
            for where in filter(lambda group: group.is_ours, tree.groups()):
                try:
                    tree.remove(where)
                except ResctrlError as err:
                    log.warning("%s stays: %s", where.name, err)
    except ResctrlError as err:
        log.warning("mon_groups stay: %s", err)
