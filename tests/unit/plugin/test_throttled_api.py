import asyncio

import pytest

from cachemon.model.api import GROUPS, ObjectName
from cachemon.model.errors import KubeThrottledError
from cachemon.plugin.throttled_api import PatientApi
from tests.unit.plugin.fake_api import FakeApi, cmg

VM3 = ObjectName("ns", "vm3")


def ask(busy_times: int) -> tuple[list[float], str]:
    api = FakeApi()
    api.put(GROUPS, cmg())
    api.errors["CacheMonitorGroup"] = [KubeThrottledError("storage is (re)initializing", 1.5)] * busy_times
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    found = asyncio.run(PatientApi(api, sleep).get(GROUPS, VM3))
    return waits, found["metadata"]["name"]


def test_a_busy_api_server_is_asked_again_after_the_time_that_it_names() -> None:
    assert ask(0) == ([], "vm3")
    assert ask(2) == ([1.5, 1.5], "vm3")


def test_one_that_stays_busy_is_given_up() -> None:
    with pytest.raises(KubeThrottledError, match="initializing"):
        ask(10)
