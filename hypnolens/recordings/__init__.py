"""A recording becomes epochs: EDF and hypnogram in, scored 30-s epochs of one channel out."""
