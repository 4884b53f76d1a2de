"""The workflow's habits: configuration, code hashes, logs, progress, and what jobs took."""
