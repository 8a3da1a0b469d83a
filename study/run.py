"""The command line `python -m study.run`: options -> request -> `study.command`, which carries it out."""

import sys
from collections.abc import Sequence

from analysis.command_line import print_refusal
from study.cluster.address import cluster_address
from study.request.checks import check
from study.request.options import parse, program
from study.request.provenance import command
from study.request.records import Request
from study.signals import StopRequest


def main(words: Sequence[str] | None = None) -> int:
    """Run a study; returns the exit status: 2 for a bad request, 128 + signal if one ended the study."""
    words = sys.argv[1:] if words is None else words
    stop = StopRequest(command(words))
    try:
        study, run = parse(words)
        with stop.installed():
            return _run(check(study, run), words, stop)
    except KeyboardInterrupt:
        return stop.answer()
    except ValueError as error:
        print_refusal(program(), error)
        return 2
    except OSError as error:  # a directory that may not be written
        print_refusal(program(), error)
        return 1


def _run(request: Request, words: Sequence[str], stop: StopRequest) -> int:
    run = request.run
    address = None if run.dry_run else cluster_address(run.address)
    if run.resources.autoscaling and address is None and not run.dry_run:
        raise ValueError("--autoscaling is for a cluster: give its --address, or leave it out.")
    from study.command import carry_out  # here, because its imports take seconds: what is refused above is so at once

    return carry_out(request, address, words, stop)


if __name__ == "__main__":
    sys.exit(main())
