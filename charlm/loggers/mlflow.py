"""Logging to MLflow: to the experiment MLFLOW_EXPERIMENT_NAME or charlm, through a client."""

import os
import time
from collections.abc import Mapping

from charlm.loggers.logger import Logger
from charlm.loggers.values import LoggedRun


class MLflow(Logger):
    name = library = "mlflow"

    def start(self, run: LoggedRun) -> str:
        from mlflow import MlflowClient, entities

        self.client = client = MlflowClient()
        self.metric, param = entities.Metric, entities.Param
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "charlm"
        there = client.get_experiment_by_name(name)
        within = there.experiment_id if there else client.create_experiment(name)
        known = client.search_runs([within], f"tags.charlm_run = '{run.identity}'")
        new = {"run_name": run.name, "tags": {"charlm_run": run.identity}}
        self.id = (known or [client.create_run(within, **new)])[0].info.run_id
        client.update_run(self.id, status="RUNNING")
        if not known:  # Its params cannot change: they stay those that it began with.
            client.log_batch(self.id, params=[param(k, str(v)) for k, v in run.settings.items()])
        return f"To look at it: mlflow ui --backend-store-uri {client.tracking_uri}"

    def log(self, values: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        self.client.log_batch(self.id, [self.metric(k, v, now, step) for k, v in values.items()])

    def show(self, text: str, step: int) -> None:
        self.client.log_text(self.id, text, f"samples/{step:08}.txt")

    def finish(self, status: str) -> None:
        ends = {"interrupted": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
        self.client.set_terminated(self.id, ends.get(status, "FINISHED"))
