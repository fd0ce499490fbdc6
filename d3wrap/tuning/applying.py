"""Train each arm of a comparison with its own tuned settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from d3wrap.comparison.identity import differences
from d3wrap.comparison.job import Job
from d3wrap.comparison.run import Plan
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError
from d3wrap.tuning.space import with_parameters
from d3wrap.tuning.tuned import Tuned, searched


def tuned_jobs(jobs: Sequence[Job], tuned: Sequence[Tuned], dataset_of: Callable[[Job], GZSLDataset]) -> list[Job]:
    """Return the jobs of a comparison with the settings that were found for their generator, data and arm.

    Their manifests say where these come from. Raises :class:`~d3wrap.errors.ConfigError` where nothing was tuned for a
    job as it is, showing the difference, or where it was done twice.
    """
    return [_tuned_job(job, tuned, dataset_of(job)) for job in jobs]


def _tuned_job(job: Job, tuned: Sequence[Tuned], dataset: GZSLDataset) -> Job:
    now = searched(job.plan, dataset)
    found = [one for one in tuned if not differences(one.searched, now)]
    if len(found) > 1:
        files = " and ".join(one.source for one in found)
        raise ConfigError(f"--tuned: {files} are both of {job.plan.generator} on {dataset.name}; give one")
    if not found:
        raise ConfigError(f"--tuned: {_why(job.plan, tuned, dataset)}")
    (one,) = found
    plan = with_parameters(job.plan, one.arms[job.arm].settings)
    return replace(job, plan=replace(plan, tuned=one.note(job.arm)))


def _why(plan: Plan, tuned: Sequence[Tuned], dataset: GZSLDataset) -> str:
    """Say what differs from the nearest search there is."""
    what, now = f"{plan.generator} on {dataset.name}", searched(plan, dataset)
    own = [one for one in tuned if one.searched["generator"] == plan.generator]
    if not own:
        known = ", ".join(dict.fromkeys(one.searched["generator"] for one in tuned))
        return f"expected settings for {what}, found only for {known}; run d3wrap tune --generator {plan.generator}"
    one = min(
        own, key=lambda one: (one.searched["dataset"]["name"] != dataset.name, len(differences(one.searched, now)))
    )
    return (
        f"{one.source} is of another search than this comparison of {what}: {differences(one.searched, now)}; give "
        "the same options, or run d3wrap tune with these"
    )
