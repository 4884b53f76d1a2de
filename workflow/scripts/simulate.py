"""Write one simulated night."""

from pathlib import Path

from hypnolens.datasets.simulate import derivations_of
from hypnolens.pipeline.logs import logged
from hypnolens.simulation.files import write_night
from hypnolens.simulation.night import simulate_night

with logged(snakemake.log[0]) as log:
    seed, subject, night = (int(snakemake.wildcards[key]) for key in ("seed", "subject", "night"))
    simulated = simulate_night(
        seed=seed, subject=subject, night=night, hours=float(snakemake.wildcards.hours),
        derivations=derivations_of(snakemake.wildcards.derivations),
    )  # fmt: skip
    write_night(
        simulated,
        psg=Path(snakemake.output.psg),
        hypnogram=Path(snakemake.output.hypnogram),
        events=Path(snakemake.output.events),
        subject=f"SIM{snakemake.wildcards.subject}",
        number=night,
    )
    log.info("%d epochs, %d events", len(simulated.stages), len(simulated.events))
