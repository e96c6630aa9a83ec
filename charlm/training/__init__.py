"""Truncated backpropagation through time, with rollback, resume and no reader of files."""
