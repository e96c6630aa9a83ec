"""Logging to Trackio: the project that TRACKIO_PROJECT names, or charlm."""

import os
from collections.abc import Mapping

from charlm.loggers.logger import Logger
from charlm.loggers.values import LoggedRun, as_code


class Trackio(Logger):
    """Logs by `trackio`, to files on this machine unless its own variables say otherwise."""

    name = library = "trackio"

    def start(self, run: LoggedRun) -> str:
        import trackio

        self.trackio, project = trackio, os.environ.get("TRACKIO_PROJECT") or "charlm"
        settings, resume = dict(run.settings), "allow" if run.step else "never"
        trackio.init(project, name=run.name, config=settings, resume=resume, embed=False)
        return f'To look at it: trackio show --project "{project}"'

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.trackio.log(dict(values), step=step)

    def show(self, text: str, step: int) -> None:
        self.trackio.log({"sample": self.trackio.Markdown(as_code(text))}, step=step)

    def finish(self, status: str) -> None:
        self.trackio.finish()
