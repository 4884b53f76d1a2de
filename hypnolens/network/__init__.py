"""The network: its model, what it runs on, its files, cards and releases."""
