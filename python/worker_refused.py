"""The one exception of tare_worker.py's runtimes that says which status the parent is to give."""


class Refused(Exception):
    """An error with its status: "absent", "baddata", "unsupported", "invalid", "limit",
    "nomem"."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
