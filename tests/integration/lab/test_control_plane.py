from pathlib import Path

import pytest

from lab.kubernetes.binaries import Binaries
from lab.kubernetes.control_plane import ControlPlane, ControlPlaneError


def a_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_error_of_a_server_that_ends_at_once_has_its_log_and_the_other_server_ends(
    tmp_path: Path,
) -> None:
    etcd = a_program(tmp_path / "etcd", f"echo $$ > {tmp_path}/etcd.pid; exec sleep 600")
    api_server = a_program(
        tmp_path / "kube-apiserver",
        f"while ! [ -s {tmp_path}/etcd.pid ]; do :; done; echo 'unknown flag: --nonsense'; exit 3",
    )
    control_plane = ControlPlane(tmp_path / "work", Binaries(etcd, api_server))
    with pytest.raises(ControlPlaneError, match="kube-apiserver ended with status 3") as error:
        control_plane.start()
    assert "unknown flag: --nonsense" in str(error.value)
    assert control_plane.pids() == {}
    process = int((tmp_path / "etcd.pid").read_text(encoding="ascii"))
    assert not Path(f"/proc/{process}").exists()


def test_an_etcd_that_ends_at_once_is_the_one_that_is_named(tmp_path: Path) -> None:
    etcd = a_program(tmp_path / "etcd", "echo 'no space left on device'; exit 1")
    api_server = a_program(tmp_path / "kube-apiserver", "exec sleep 600")
    with pytest.raises(ControlPlaneError, match=r"etcd ended with status 1(.|\n)*no space left"):
        ControlPlane(tmp_path / "work", Binaries(etcd, api_server)).start()


def test_the_api_server_does_not_start_alone(tmp_path: Path) -> None:
    with pytest.raises(ControlPlaneError, match=r"start\(\) comes first"):
        ControlPlane(tmp_path, Binaries(Path("etcd"), Path("kube-apiserver"))).start_api_server()


def test_stopping_what_never_started_does_nothing(tmp_path: Path) -> None:
    control_plane = ControlPlane(tmp_path, Binaries(Path("etcd"), Path("kube-apiserver")))
    control_plane.stop()
    assert control_plane.pids() == {}
    assert control_plane.audit_events() == []
