"""The names that `--log-to` takes; to know them, nothing heavy is imported."""

NAMES = ("tensorboard", "wandb", "mlflow", "trackio")
