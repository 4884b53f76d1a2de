"""Before a run: what it needs, what this machine has, and what a folder of one's own holds."""
