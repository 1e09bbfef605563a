from cachemon.kube.outage import FailureRun
from cachemon.model.api import ObjectName


def test_many_failing_objects_of_one_namespace_do_not_make_the_server_away() -> None:
    run = FailureRun()
    assert not any(run.failed(ObjectName("tenant-a", f"vm{number}")) for number in range(100))


def test_the_same_object_failing_again_and_again_does_not_make_the_server_away() -> None:
    run = FailureRun()
    run.failed(ObjectName("tenant-b", "vm"))
    assert not any(run.failed(ObjectName("tenant-a", "vm")) for _ in range(100))


def test_five_failing_objects_of_two_namespaces_in_a_row_make_the_server_away() -> None:
    run = FailureRun()
    names = [ObjectName("tenant-a", f"vm{number}") for number in range(4)]
    assert not any(map(run.failed, names))
    assert run.failed(ObjectName("tenant-b", "vm"))


def test_one_success_in_between_ends_the_run() -> None:
    run = FailureRun()
    for number in range(4):
        run.failed(ObjectName("tenant-a", f"vm{number}"))
    run.succeeded()
    assert not run.failed(ObjectName("tenant-b", "vm"))
