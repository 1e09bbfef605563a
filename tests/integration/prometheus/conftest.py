import pytest

from lab.prometheus import PrometheusMissingError, Tools, find_tools
from lab.pytest_skips import found_or_skip


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Prometheus and promtool."""
    return found_or_skip(find_tools, PrometheusMissingError)
