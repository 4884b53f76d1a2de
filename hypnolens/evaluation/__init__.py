"""Numbers: predictions, scores with their intervals, comparisons, and tables of them."""
