import os
import threading
from pathlib import Path

from cachemon.kube.kubeconfig_pipes import kept_kubeconfigs


def pipe(path: Path, content: str) -> Path:
    """A pipe that somebody writes into once."""
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=(content,), daemon=True).start()
    return path


def test_a_pipe_is_kept_for_this_user_until_the_command_ends(tmp_path: Path) -> None:
    given = ["--context=prod", f"--kubeconfig={pipe(tmp_path / 'a', 'of the flag')}"]
    with kept_kubeconfigs(given, {"HOME": "/root"}) as (flags, environment):
        assert flags[0] == "--context=prod"
        copy = Path(flags[1].removeprefix("--kubeconfig="))
        assert copy.read_text() == copy.read_text() == "of the flag"
        assert (copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert environment == {"HOME": "/root"}
    assert not copy.parent.exists()


def test_every_pipe_of_the_variable_is_kept_and_other_paths_stay_as_they_are(tmp_path: Path) -> None:
    regular = tmp_path / "regular"
    regular.write_text("regular")
    listed = ["", str(regular), str(tmp_path / "missing"), str(pipe(tmp_path / "b", "of a pipe"))]
    with kept_kubeconfigs([], {"KUBECONFIG": os.pathsep.join(listed), "HOME": "/root"}) as (flags, environment):
        assert (flags, environment["HOME"]) == ([], "/root")
        *others, copy = environment["KUBECONFIG"].split(os.pathsep)
        assert others == listed[:3]
        assert Path(copy).read_text() == "of a pipe"


def test_a_flag_leaves_the_pipes_of_the_variable_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "nobody writes")
    given = {"KUBECONFIG": str(tmp_path / "nobody writes")}
    with kept_kubeconfigs(["--kubeconfig=/etc/config"], given) as (flags, environment):
        assert (flags, environment) == (["--kubeconfig=/etc/config"], given)
