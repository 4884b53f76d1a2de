"""Files between steps: text tables, tensors and Parquet, each read whole or refused."""
