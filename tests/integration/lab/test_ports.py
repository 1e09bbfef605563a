import subprocess
import sys

from lab.ports import free_port, free_ports
from lab.repository import REPOSITORY
from lab.wait import until

TAKES = "import sys; from lab.ports import _is_reserved; print(_is_reserved(int(sys.argv[1])), flush=True)"
HOLDS = "from lab.ports import free_port; print(free_port(), flush=True); input()"


def may_another_have(port: int) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", TAKES, str(port)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip() == "True"


def test_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


def test_a_port_that_was_given_out_is_nobody_elses_before_a_server_has_bound_it() -> None:
    assert not may_another_have(free_port())


def test_a_port_can_be_had_again_when_the_process_that_had_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        port = int(holder.stdout.readline())
        assert not may_another_have(port)
        holder.communicate("\n")
    until("the port to be free", lambda: may_another_have(port))
