import pytest

from lab.prometheus import PrometheusMissingError, Tools, find_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Prometheus and promtool."""
    try:
        return find_tools()
    except PrometheusMissingError as err:
        pytest.skip(str(err))
