import threading
from pathlib import Path

from lab.program_logs import ProgramLogs


def test_logs_may_be_added_by_threads_while_a_test_begins_and_another_reads_them(tmp_path: Path) -> None:
    logs, errors, ended = ProgramLogs(), [], threading.Event()

    def start_programs(which: int) -> None:
        for number in range(400):
            log = tmp_path / f"{which}-{number % 150}.log"
            log.write_text("a line\n")
            logs.add(log)

    def report() -> None:
        try:
            while not ended.is_set():
                logs.mark()
                logs.since_mark()
        except RuntimeError as error:
            errors.append(error)

    reporter = threading.Thread(target=report)
    reporter.start()
    starters = [threading.Thread(target=start_programs, args=(which,)) for which in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    ended.set()
    reporter.join()
    assert errors == []
