"""Optimizers, learning-rate schedules, numeric precision."""

import math

import torch
from torch import nn

from charlm.config import TrainConfig

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ADAM_BETAS = (0.9, 0.99)
FINAL_SHARE = 0.01


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The configured optimizer.

    Weight decay is decoupled for adamw (Loshchilov & Hutter 2019). It spares the biases, but not
    the character vectors: they multiply into the first layer's matrix, or are the output layer's.
    """
    matrices = [each for each in model.parameters() if each.dim() > 1]
    vectors = [each for each in model.parameters() if each.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    rate = config.learning_rate
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=config.momentum)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    fused = matrices[0].device.type in ("cpu", "cuda")
    return kind(groups, lr=rate, betas=ADAM_BETAS, fused=fused)


def scheduled_rate(config: TrainConfig, step: int, progress: float) -> float:
    """The learning rate of the step after `step` others, `progress` (0 to 1) into the run."""
    rate = config.learning_rate
    if config.schedule == "cosine":
        cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        rate *= FINAL_SHARE + (1 - FINAL_SHARE) * cosine
    return rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
