"""Metadata as long as libvirt keeps it, and requests as long as they may be, beside a domain that is watched."""

import json
import re
import socket
from pathlib import Path

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from lab.libvirt.guest_domain import GuestDomain
from lab.wait import until
from tests.integration.host.scene import Scene, metadata

WIDE = "0-16383"
LONG_METADATA = metadata(*(f'id="g{number}" vcpus="{",".join([WIDE] * 300)}"' for number in range(64)))
WIDE_METADATA = metadata(*(f'id="g{number}" vcpus="{WIDE}"' for number in range(64)))
GROWTH_KIB = 16 * 1024
CPU_SECONDS = 1.0
"""Of two requests and the samples meanwhile; one request took 11 s."""


def peak_kib(scene: Scene) -> int:
    status = Path(f"/proc/{scene.agent.pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0])


def cpu_seconds(scene: Scene) -> float:
    fields = Path(f"/proc/{scene.agent.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def post(scene: Scene, uuid: str, body: bytes) -> str:
    """Ask for a group; answers the whole answer."""
    head = f"POST /v1/domains/{uuid}/live HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(30)
        talk.connect(str(scene.agent.socket))
        talk.sendall(head.encode() + body)
        answer = b""
        while part := talk.recv(65536):
            answer += part
    return answer.decode()


@pytest.mark.timeout(240)
def test_long_metadata_and_long_requests_cost_the_agent_and_its_other_domains_nothing(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata('id="all" vcpus="all"')))
    until("vm1 to be monitored", lambda: (report := scene.agent.group("vm1", "all")) and report.state == "Monitored")
    before_kib = peak_kib(scene)
    for name, text in (("long", LONG_METADATA), ("wide", WIDE_METADATA)):
        scene.start(GuestDomain(name, metadata=text))
    problem = str(until("the long one", lambda: (report := scene.agent.domain("long")) and report.problem))
    assert "at most 1024 are valid" in problem
    assert len(problem) < 1000
    message = until("the wide one", lambda: (report := scene.agent.group("wide", "g63")) and report.message)
    assert message

    uuid, cpu = scene.host.uuid_of("vm1"), cpu_seconds(scene)
    for vcpus in (",".join([WIDE] * 7000), WIDE + ",^1" * 18_000):
        answer = post(scene, uuid, json.dumps({"name": "a", "vcpus": vcpus}).encode())
        assert answer.startswith("HTTP/1.1 4")
        assert len(answer) < 2000
    assert cpu_seconds(scene) - cpu < CPU_SECONDS
    assert peak_kib(scene) - before_kib < GROWTH_KIB
    report = scene.agent.group("vm1", "all")
    assert report
    assert report.state == "Monitored"
