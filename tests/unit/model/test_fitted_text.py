import re

from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.fitted_text import fit_bytes, fit_items, fit_name, fit_text

TEXTS = st.text(max_size=80)
LIMITS = st.integers(8, 60)


@given(TEXTS, LIMITS)
def test_a_text_fits_and_says_how_many_characters_are_missing(text: str, longest: int) -> None:
    fitted = fit_text(text, longest)
    assert len(fitted) <= longest
    if len(text) <= longest:
        assert fitted == text
    else:
        kept, _, missing = fitted.rpartition("~+")
        assert text.startswith(kept)
        assert len(kept) + int(missing) == len(text)


@given(TEXTS, LIMITS)
def test_a_text_fits_in_bytes_as_well(text: str, longest: int) -> None:
    fitted = fit_bytes(text, longest)
    assert len(fitted.encode()) <= longest
    assert fitted == text or text.startswith(fitted.rpartition("~+")[0])


@given(st.lists(st.text("0123456789=Mi/", min_size=1, max_size=12), max_size=40), st.integers(20, 60))
def test_items_stay_whole_and_the_others_are_counted(items: list[str], longest: int) -> None:
    fitted = fit_items(items, longest)
    assert len(fitted) <= longest
    if fitted != ",".join(items):
        *kept, more = fitted.split(",")
        assert kept == items[: len(kept)]
        assert more == f"+{len(items) - len(kept)}"


def test_the_blocks_of_24_caches() -> None:
    blocks = [f"{number}=32Mi/32Mi" for number in range(24)]
    assert fit_items(blocks, 48) == "0=32Mi/32Mi,1=32Mi/32Mi,2=32Mi/32Mi,+21"
    assert fit_items(blocks[:4], 48) == "0=32Mi/32Mi,1=32Mi/32Mi,2=32Mi/32Mi,3=32Mi/32Mi"


def test_a_single_item_that_is_too_long_is_cut() -> None:
    assert fit_items(["m" * 100, "n"], 20) == "m" * 13 + "~+87,+1"
    assert fit_items([], 20) == ""


NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9.]{0,298}[a-z0-9])?\Z")


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_a_generated_name_fits_and_stays_different_from_all_others(names: list[str]) -> None:
    fitted = [fit_name(name, 253) for name in names]
    assert fitted[0] != fitted[1]
    for name, short in zip(names, fitted, strict=True):
        assert len(short) <= 253
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", short)
        assert (short == name) == (len(name) <= 253)
