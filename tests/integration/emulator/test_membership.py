from tests.integration.emulator.fakes import Box


def group(box: Box, name: str = "a") -> str:
    path = f"/mon_groups/{name}"
    box.mkdir(path)
    return path


def test_only_the_named_thread_moves() -> None:
    box = Box()
    path = group(box)
    leader = box.threads.process()
    thread = box.threads.thread(leader)
    box.write(f"{path}/tasks", f"{thread}\n")
    assert box.tids(path) == [thread]


def test_a_child_is_in_the_group_of_the_thread_that_forked_it_whatever_the_leader_is_in() -> None:
    box = Box()
    leaders, threads = group(box, "leaders"), group(box, "threads")
    leader = box.threads.process()
    thread = box.threads.thread(leader)
    box.write(f"{leaders}/tasks", f"{leader}\n")
    box.write(f"{threads}/tasks", f"{thread}\n")
    child = box.threads.process(parent=thread)
    grandchild = box.threads.process(parent=child)
    assert box.tids(leaders) == [leader]
    assert box.tids(threads) == [thread, child, grandchild]


def test_children_from_before_the_move_stay_where_they_are() -> None:
    box = Box()
    path = group(box)
    leader = box.threads.process()
    box.threads.process(parent=leader)
    box.write(f"{path}/tasks", f"{leader}\n")
    assert box.tids(path) == [leader]


def test_a_new_thread_is_in_its_leaders_group() -> None:
    box = Box()
    path = group(box)
    leader = box.threads.process()
    old = box.threads.thread(leader)
    box.write(f"{path}/tasks", f"{leader}\n")
    new = box.threads.thread(leader)
    assert box.tids(path) == [leader, new]
    assert old not in box.tids(path)


def test_threads_made_before_a_move_are_in_the_group_before() -> None:
    box = Box()
    first, second = group(box, "first"), group(box, "second")
    leader = box.threads.process()
    box.write(f"{first}/tasks", f"{leader}\n")
    thread, child = box.threads.thread(leader), box.threads.process(parent=leader)
    box.write(f"{second}/tasks", f"{leader}\n")
    assert box.tids(first) == [thread, child]
    assert box.tids(second) == [leader]


def test_a_child_that_was_moved_out_does_not_come_back() -> None:
    box = Box()
    path = group(box)
    leader = box.threads.process()
    box.write(f"{path}/tasks", f"{leader}\n")
    child = box.threads.process(parent=leader)
    box.write("/tasks", f"{child}\n")
    box.run(2)
    box.run(2)
    assert box.tids(path) == [leader]


def test_a_dead_thread_leaves_and_its_tid_used_again_is_another_thread() -> None:
    box = Box()
    path = group(box)
    leader = box.threads.process()
    box.write(f"{path}/tasks", f"{leader}\n")
    box.threads.kill(leader)
    box.threads.reuse(leader)
    box.threads.burn(leader, 1)
    box.run(0.1)
    assert box.tids(path) == []
    assert box.read(f"{path}/mon_data/mon_L3_00/mbm_total_bytes") == "0\n"


def test_a_tid_that_was_used_again_can_be_moved_in() -> None:
    box = Box()
    path = group(box)
    leader = box.threads.process()
    box.write(f"{path}/tasks", f"{leader}\n")
    box.threads.kill(leader)
    box.threads.reuse(leader)
    box.write(f"{path}/tasks", f"{leader}\n")
    assert box.tids(path) == [leader]


def test_tids_are_listed_by_process_and_then_by_thread() -> None:
    box = Box()
    path = group(box)
    first, second = box.threads.process(), box.threads.process()
    thread = box.threads.thread(first)
    for tid in (thread, second, first):
        box.write(f"{path}/tasks", f"{tid}\n")
    assert box.tids(path) == [first, thread, second]


def test_cpu_time_counts_for_the_group_in_which_it_was_used() -> None:
    box = Box()
    first, second = group(box, "first"), group(box, "second")
    tid = box.threads.process()
    box.threads.burn(tid, 5)
    box.write(f"{first}/tasks", f"{tid}\n")
    box.threads.burn(tid, 1, cpu=1)
    box.write(f"{second}/tasks", f"{tid}\n")
    box.threads.burn(tid, 2, cpu=1)
    box.run(1)
    traffic = [int(box.read(f"{path}/mon_data/mon_L3_01/mbm_total_bytes")) for path in (first, second)]
    assert traffic == [1 << 30, 2 << 30]
    assert box.read(f"{first}/mon_data/mon_L3_00/mbm_total_bytes") == "0\n"


def test_a_forked_child_counts_from_its_birth() -> None:
    box = Box()
    path = group(box)
    tid = box.threads.process()
    box.write(f"{path}/tasks", f"{tid}\n")
    child = box.threads.process(parent=tid)
    box.threads.burn(child, 1)
    box.run(1)
    box.run(1)
    assert int(box.read(f"{path}/mon_data/mon_L3_00/mbm_total_bytes")) == 1 << 30
