from pathlib import Path

from cachemon.qemu.cpu_model import parse_cpu_model, read_cpu_model

X86 = "processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD EPYC 9655\n\nprocessor\t: 1\nmodel name\t: Other\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n"


def test_the_first_cpu_names_the_model(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(X86, encoding="utf-8")
    assert read_cpu_model(tmp_path) == "AMD EPYC 9655"


def test_a_file_without_a_name_and_no_file_give_none(tmp_path: Path) -> None:
    assert parse_cpu_model(ARM) == parse_cpu_model("") == ""
    assert read_cpu_model(tmp_path) == ""
