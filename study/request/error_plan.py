"""How the error of verdicts is shared out: what the first run fixes, and what later runs may ask for."""

from collections.abc import Mapping
from typing import Any

from study.request.options import DEFAULT_MOST_SEEDS
from study.request.records import Request


def fixed_error_plan(request: Request, stored: Mapping[str, Any] | None, place: str) -> Mapping[str, object] | None:
    """The plan that the first run has fixed, or that this first run fixes.

    Args:
        request: What is asked for.
        stored: What `study.json` holds; None for a study that begins.
        place: What messages call the study.

    Raises:
        ValueError: The study began with another plan.
    """
    asked = request.most_confirm_seeds
    if stored is None:
        most = DEFAULT_MOST_SEEDS if asked is None and request.until_decided else asked
        _refuse_too_many(request, most, place)
        return {"counts_every_claim": True, "most_confirm_seeds": most}
    plan: Mapping[str, Any] | None = stored.get("error_plan")
    most = None if plan is None else plan["most_confirm_seeds"]
    if asked not in (None, most) or (request.until_decided and most is None):
        option = "--until-decided" if asked is None else f"--max-confirm-seeds {asked}"
        began = "without a largest number of confirmation seeds" if most is None else f"with at most {most}"
        mend = "choose another --output" if most is None else f"give --max-confirm-seeds {most}, or another --output"
        raise ValueError(
            f"the most confirmation seeds must be fixed before anything is looked at: {place} began {began}, got "
            f"{option}; {mend}."
        )
    _refuse_too_many(request, most, place)
    if most is not None and request.num_repeats > 1:
        raise ValueError(
            f"--repeats must be 1 for {place}, whose looks at up to {most} confirmation seeds are planned, got "
            f"{request.num_repeats}: several tunings are judged by another rule; choose another --output."
        )
    return plan


def _refuse_too_many(request: Request, most: int | None, place: str) -> None:
    """Refuse seeds beyond the most, and rounds of more seeds that could not be had."""
    if most is not None and request.num_confirm_seeds > most - request.until_decided:
        below = "below" if request.until_decided else "at most"
        raise ValueError(
            f"--confirm-seeds must be {below} {most}, the most that {place} may have, got {request.num_confirm_seeds}; "
            "lower it, or choose another --output and --max-confirm-seeds to plan more."
        )
