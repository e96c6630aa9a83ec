"""Logging to Weights & Biases: the project that WANDB_PROJECT names, or charlm."""

import os
from collections.abc import Mapping
from html import escape

from charlm.loggers.logger import Logger
from charlm.loggers.values import LoggedRun
from charlm.text.download import is_offline


class WeightsAndBiases(Logger):
    """Logs by `wandb`, offline where CHARLM_OFFLINE or WANDB_MODE says so."""

    name = library = "wandb"

    def start(self, run: LoggedRun) -> str:
        import wandb

        # If silent it asks for no key, for which nobody may be there, but fails without one.
        wandb.setup(wandb.Settings(silent=True))
        quick, project = wandb.Settings(console="off", init_timeout=30), os.getenv("WANDB_PROJECT")
        which = {"project": project or "charlm", "name": run.name, "id": run.identity}
        mode = "offline" if is_offline() else None
        how = {"resume": "allow", "reinit": "create_new", "settings": quick, "mode": mode}
        self.html, self.run = wandb.Html, wandb.init(**which, **how, config=dict(run.settings))
        # Its own steps cannot go back, as those of training do when it diverges.
        self.run.define_metric("*", step_metric="step")
        offline = f"To send it there later: wandb sync {self.run.settings.sync_dir}"
        return f"To look at it: {self.run.url}" if self.run.url else offline

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.run.log({**values, "step": step})

    def show(self, text: str, step: int) -> None:
        self.run.log({"sample": self.html(f"<pre>{escape(text)}</pre>"), "step": step})

    def finish(self, status: str) -> None:
        self.run.finish(exit_code=0 if status in ("done", "patience") else 1)
