import pytest

from tests.integration.docs.pages import Command, File, steps
from tests.integration.docs.shape import mismatch, shape

TABLE = ("NAME   NODE     HELD    READY   AGE", "vm3    node02   27Mi    True    24s")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tenant-b   vm3   node02   8.2Mi   -   [##...] 37%", "tenant-b vm3 node02 N - [BAR] N"),
        ("node01  32Mi/64Mi  [#####]100%   3/64   2m13s", "node01 N/N [BAR] N N/N AGE"),
        ("  cpu.cacheoccupancy.vcpus_0,3.1.value=2865216", "cpu.cacheoccupancy.vcpus_0,3.1.value=N"),
        ("vm3  0=59Mi,1=2Mi", "vm3 N=N,N=N"),
        ("vm3  80s(late)", "vm3 AGE"),
        ("2026-11-30 05:21:13,vm1,26868.0,,0.0", "TIME,vm1,N,,N"),
        ("vm3  3m(old)", "vm3 AGE(old)"),
        ("observedTime: 2026-11-23T01:10:23Z", "observedTime: TIME"),
    ],
)
def test_numbers_are_free_and_names_are_not(line: str, expected: str) -> None:
    assert shape(line) == expected


@pytest.mark.parametrize(
    "printed",
    [
        ("NAME NODE HELD READY AGE", "vm2 node02 27Mi True 24s"),
        ("NAME NODE HELD READY AGE", "vm3 node02 27Mi False 24s"),
        ("NAME NODE HELD READY AGE", "vm3 node02 - True 24s"),
        ("NAME NODE HELD READY AGE",),
        ("NAME NODE HELD READY AGE", "vm3 node02 27Mi True 24s", "vm4 node02 27Mi True 24s"),
        ("NAME NODE READY AGE", "vm3 node02 True 24s"),
    ],
)
def test_another_name_state_column_or_line_is_a_mismatch(printed: tuple[str, ...]) -> None:
    assert mismatch(TABLE, printed)


def test_other_numbers_are_none() -> None:
    assert mismatch(TABLE, ("NAME NODE HELD READY AGE", "vm3 node02 9.9Mi True 3m1s", "")) == ""


def test_dots_stand_for_any_lines_and_the_others_for_themselves() -> None:
    assert mismatch(("a", "...", "b"), ("a", "x", "y", "b")) == ""
    assert mismatch(("a", "...", "b"), ("a", "b")) == ""
    assert mismatch(("a", "...", "b"), ("a", "x"))
    assert mismatch(("a", "...", "b"), ("x", "a", "b"))


def test_a_page_is_read_in_order() -> None:
    page = """text
```console
$ one --long \\
    --more
out
$ two
```
```yaml
# three.yaml
a: 1
```
```yaml
b: 2
```
"""
    assert steps(page, "p") == [
        Command("p", "one --long --more", ("out",)),
        Command("p", "two", ()),
        File("p", "three.yaml", "# three.yaml\na: 1\n"),
    ]
