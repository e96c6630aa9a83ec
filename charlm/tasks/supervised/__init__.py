"""What tasks share that say one thing about each sequence: rows, batches, an encoder's training."""
