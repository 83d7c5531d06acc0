"""The `mosaic` command. Each subcommand is a module; errors become one sentence and an exit code here."""

import gc
import sys

import click
from mosaic_crds.errors import MosaicError

from mosaic_worker.cli.indices import indices
from mosaic_worker.cli.requests import estimate, run_request, validate
from mosaic_worker.cli.sample_scene import sample_scene
from mosaic_worker.version import DISTRIBUTION

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it (128 + SIGINT)."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=DISTRIBUTION, prog_name="mosaic")
def mosaic() -> None:
    """Seamless satellite mosaics from a MosaicRequest."""


for command in (run_request, validate, estimate, indices, sample_scene):
    mosaic.add_command(command)


def main() -> None:
    """Run the command line; every failure is one sentence on stderr and an exit code."""
    try:
        code = mosaic.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except MosaicError as error:
        click.echo(f"mosaic: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("mosaic: interrupted; the same command goes on where this one stopped", err=True)
        code = INTERRUPTED
    gc.freeze()  # the interpreter's last collection would take a twentieth of a second, for memory that ends anyway
    sys.exit(code)
