from hypothesis import HealthCheck, settings

from lab.pytest_hooks import (
    pytest_configure,
    pytest_report_header,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_timeout_set_timer,
)

__all__ = [
    "pytest_configure",
    "pytest_report_header",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_timeout_set_timer",
]

# A loaded machine stalls any test now and then, also while it makes up examples; pytest-timeout ends one that hangs.
settings.register_profile("cachemon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cachemon")
