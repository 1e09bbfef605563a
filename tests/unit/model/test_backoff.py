from cachemon.model.backoff import Backoff, jittered


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_seconds() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_seconds() == 0.5


def test_jitter_varies_each_pause_and_does_not_add_up() -> None:
    backoff = Backoff(4.0, 4.0, jitter=(0.8, 1.2))
    pauses = [backoff.next_seconds() for _ in range(500)]
    assert len(set(pauses)) > 1
    assert all(3.2 <= pause <= 4.8 for pause in pauses)
    assert all(10 <= jittered(10) <= 11 for _ in range(500))
