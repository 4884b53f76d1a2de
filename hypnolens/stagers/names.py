"""Names of the stagers that come with hypnolens. Imported by the Snakefile, so it needs only what Python brings."""

DEFAULT, DEMO = "yasa", "demo"
"""The stager of a night for which nobody named one, and hypnolens's own, which saw simulated nights only."""

BUILT_IN = (DEFAULT, DEMO, "gssc")
"""They come before paths: a folder of that name is ``./yasa``."""
