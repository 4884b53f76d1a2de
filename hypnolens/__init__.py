"""hypnolens: sleep stages from one EEG channel, trained, tested and explained by a Snakemake pipeline."""

__version__ = "0.1.0"
