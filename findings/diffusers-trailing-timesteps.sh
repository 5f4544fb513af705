#!/bin/sh
# diffusers 0.42.1 (PyPI; torch 2.15.0, numpy 2.4.6): with timestep_spacing="trailing", set_timesteps(n) gives n + 1
# timesteps, the last of them -1, for 62 of the counts 1 .. 1000, 61 and 103 first: numpy.arange(1000, 0, -1000 / n) has
# one value too many where rounding leaves its end above 0. DDPM, DDIM and DPM-Solver++ alike. At -1, step() of DDIM and
# DDPM reads alphas_cumprod[-1], the noisiest timestep's, in the last step of a drawing.
# Takes a few minutes and 5 GB in a temporary folder. Exits with another code than 0 where this is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet diffusers==0.42.1 torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import diffusers
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

for scheduler_class in (DDPMScheduler, DDIMScheduler, DPMSolverMultistepScheduler):
    scheduler = scheduler_class(num_train_timesteps=1000, timestep_spacing="trailing")
    longer = {}
    for count in range(1, 1001):
        scheduler.set_timesteps(count)
        if len(scheduler.timesteps) != count:
            longer[count] = (len(scheduler.timesteps), int(scheduler.timesteps[-1]))
    print(f"diffusers {diffusers.__version__}, {scheduler_class.__name__}: {len(longer)} counts, {list(longer.items())[:3]} ...")
    assert len(longer) == 62 and longer[61] == (62, -1) and longer[103] == (104, -1), longer
    assert all(found == (count + 1, -1) for count, found in longer.items()), longer
PYTHON
