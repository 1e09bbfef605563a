"""Log lines: for people, or one JSON object each."""

import json
import logging
import sys
from datetime import UTC, datetime

__all__ = ["FORMATS", "configure_logs"]

FORMATS = ("text", "json")

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


def configure_logs(form: str) -> None:
    """Log to standard error in one of `FORMATS`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it logs every event
