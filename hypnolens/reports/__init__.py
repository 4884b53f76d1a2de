"""Pages that a person reads: of a dataset, of measured explanations, of the paper."""
