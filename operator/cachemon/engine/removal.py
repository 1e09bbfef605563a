"""Removes all cachemon mon_groups when the agent is uninstalled."""

import logging

from cachemon.model.errors import ResctrlError
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)


def remove_mon_groups(tree: ResctrlTree) -> None:
    """Remove every mon_group of ours; the kernel moves its threads to the control group."""
    try:
        with tree.locked():
            for where in filter(lambda group: group.is_ours, tree.groups()):
                try:
                    tree.remove(where)
                except ResctrlError as err:
                    log.warning("%s stays: %s", where.name, err)
    except ResctrlError as err:
        log.warning("mon_groups stay: %s", err)
