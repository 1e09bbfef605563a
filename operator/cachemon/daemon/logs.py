"""Log lines of the programs: for people, or one JSON object each."""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

__all__ = ["FORMATS", "LEVELS", "configure_logs"]

FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """time, level, logger and message; an exception as text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure_logs(form: str, *, level: str = "INFO", quiet: Iterable[str] = ()) -> None:
    """Log to standard error.

    Args:
        form: one of `FORMATS`.
        level: one of `LEVELS`.
        quiet: names of libraries' loggers that tell too much; of these only warnings are logged.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
