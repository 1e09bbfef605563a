"""libvirt's status files. The text is what libvirt 9.0 and 11.3 wrote, shortened."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.libvirt.running import read_running
from cachemon.libvirt.status_files import StatusFiles, parse_status
from cachemon.model.errors import InvalidInputError, LibvirtRefusedError

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
STATUS = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE
OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:
  virsh edit {name}
or other application using the libvirt API.
-->

<domstatus state='paused' reason='starting up' pid='4711'>
  <taint flag='custom-monitor'/>
  <monitor path='/var/lib/libvirt/qemu/domain-1-{name}/monitor.sock' type='unix'/>
  <vcpus>
  </vcpus>
  <domain type='kvm' id='1'>
    <name>{name}</name>
    <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
    <metadata>
      <cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">
        <cachemon:resmongroup id="all" vcpus="all"/>
      </cachemon:groups>
    </metadata>
    <vcpu placement='static' current='2'>4</vcpu>
    <devices>
      <graphics type='vnc' port='5900' passwd='swordfish'/>
    </devices>
  </domain>
</domstatus>
"""


def names(files: StatusFiles) -> list[str]:
    return [domain.name for domain in files.domains()]


def test_a_file_has_the_running_domain_with_its_groups() -> None:
    found = parse_status(STATUS.format(name="vm1").encode())
    assert (found.name, found.uuid, found.runs) == ("vm1", UUID, True)
    assert found.live_xml
    running = read_running(found.uuid, found.name, found.live_xml)
    assert (running.number, running.vcpu_count, running.problem) == (1, 2, "")
    assert [group.name for group in running.groups] == ["all"]
    assert b"swordfish" not in found.live_xml


@given(st.binary() | st.text().map(str.encode) | st.integers(0, len(STATUS)).map(lambda at: STATUS[:at].encode()))
def test_what_libvirt_did_not_write_is_an_error(content: bytes) -> None:
    if content.strip() != STATUS.strip().encode():
        with pytest.raises(InvalidInputError):
            parse_status(content)


def test_files_that_come_change_and_go_are_seen(tmp_path: Path) -> None:
    files = StatusFiles(tmp_path)
    assert names(files) == []
    (tmp_path / "vm1.xml").write_text(STATUS.format(name="vm1"))
    (tmp_path / "vm2.xml").write_text(STATUS.format(name="vm2"))
    (tmp_path / "vm1.pid").write_text("4711")
    (tmp_path / "autostarted").touch()
    assert names(files) == ["vm1", "vm2"]
    before = files.domains()
    (tmp_path / "vm1.xml.new").write_text(STATUS.format(name="vm1").replace("current='2'", "current='3'"))
    (tmp_path / "vm1.xml.new").rename(tmp_path / "vm1.xml")
    after = files.domains()
    assert (after[0] == before[0], after[1] is before[1]) == (False, True), "only what has changed is read again"
    (tmp_path / "vm1.xml").unlink()
    assert names(files) == ["vm2"]


def test_a_directory_that_is_not_there_has_no_domains(tmp_path: Path) -> None:
    assert StatusFiles(tmp_path / "away").domains() == ()


def test_one_file_that_cannot_be_read_leaves_all_unknown(tmp_path: Path) -> None:
    (tmp_path / "vm1.xml").write_text(STATUS.format(name="vm1"))
    (tmp_path / "vm2.xml").mkdir()
    with pytest.raises(LibvirtRefusedError, match=r"vm2\.xml can't be read: Is a directory"):
        StatusFiles(tmp_path).domains()
    (tmp_path / "vm2.xml").rmdir()
    (tmp_path / "vm2.xml").write_text("<domain/>")
    with pytest.raises(InvalidInputError, match=r"vm2\.xml: it has no <domain> with a <name>"):
        StatusFiles(tmp_path).domains()
