import asyncio
import io
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import pytest
from rich.console import Console

from cachemon.commands.top_command import keep_table
from cachemon.commands.top_live import show_live
from cachemon.commands.top_table import TopTable
from cachemon.model.errors import KubeUnreachableError
from tests.unit.commands.made_rows import row, table


async def times(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def drawn(tables: Sequence[tuple[TopTable, str]], width: int = 100, height: int = 20) -> str:
    answers = iter(tables)

    async def read_table() -> tuple[TopTable, str]:
        return next(answers)

    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    asyncio.run(show_live(read_table, title="cachemon top", times=times(len(tables)), console=console))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_live_table_is_drawn_again_with_bars_reasons_and_what_went_wrong() -> None:
    made = table(row("vm3"), row("[b]vm1", None, "OutOfRMIDs"))
    shown = drawn([(made, ""), (made, "the API server does not answer"), (TopTable(), "")])
    for expected in ("vm3", "20%", "━", "▁▃▆█ +12Mi", "[b]vm1", "OutOfRMIDs"):
        assert expected in shown
    assert "kept from before: the API server does not answer" in shown
    assert "nothing is monitored here" in shown


def test_it_says_how_often_the_figures_are_renewed() -> None:
    assert "figures are renewed every 60s, the newest 2s ago" in drawn([(table(row()), "")])


@pytest.mark.parametrize("width", [60, 79, 80, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    made = table(row("v" * 60, namespace="n" * 60), row("vm1", None, "AgentNotReporting"), row(is_behind=True))
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn([(made, "")], width)).splitlines()
    assert [line for line in lines if len(line.rstrip()) > width] == []


def test_rows_that_do_not_fit_are_counted() -> None:
    shown = drawn([(table(*(row(f"vm{number}") for number in range(100))), "")], height=10)
    assert "and 94 more" in shown
    assert "vm5" in shown
    assert "vm6 " not in shown


def test_control_characters_of_a_name_reach_no_terminal() -> None:
    assert "vm?[2J" in drawn([(table(row("vm\x1b[2J")), "")])


def test_a_table_is_drawn_without_what_rich_needs_for_source_code_alone() -> None:
    """The packages of a host leave it out."""
    code = (
        "import sys; sys.modules |= dict.fromkeys(('pygments', 'markdown_it', 'mdurl'));"
        "import asyncio, io; from rich.console import Console; from cachemon.commands import top_live, top_table;"
        "from cachemon.commands.ticks import ticks\n"
        "row = top_table.TopRow(('vm3',), 0.2, '')\n"
        "async def read(): return top_table.TopTable((top_table.Heading('VMI'),), (row,)), ''\n"
        "console = Console(file=io.StringIO(), force_terminal=True)\n"
        "asyncio.run(top_live.show_live(read, title='top', times=ticks(0.01, 0.01), console=console))\n"
        "print('vm3' in console.file.getvalue())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_an_error_of_the_first_read_ends_it_and_one_later_keeps_the_table() -> None:
    made = TopTable()
    outcomes: list[TopTable | KubeUnreachableError] = [made, KubeUnreachableError("away"), made]

    async def read_table() -> TopTable:
        outcome = outcomes.pop(0)
        if isinstance(outcome, KubeUnreachableError):
            raise outcome
        return outcome

    async def play() -> list[str]:
        again = keep_table(read_table)
        return [(await again())[1] for _ in range(3)]

    assert asyncio.run(play()) == ["", "away", ""]

    async def away() -> TopTable:
        raise KubeUnreachableError("away")

    async def first() -> None:
        await keep_table(away)()

    with pytest.raises(KubeUnreachableError):
        asyncio.run(first())
