"""The `mosaic` command. Each subcommand is a module; errors become one sentence and an exit code here.

Packages that are installed beside this one add commands of their own by the entry point group `mosaic.commands`. They
are looked for when one is asked for that is none of these, so that these start at once.
"""

import gc
import sys

import click
from mosaic_crds.errors import MosaicError
from mosaic_crds.reports import BROKEN_PIPE, INTERRUPTED, UNEXPECTED, drop_output, plain_output, reported

from mosaic_worker.cli.indices import indices
from mosaic_worker.cli.interrupting import hear_interrupts
from mosaic_worker.cli.requests import estimate, run_request, validate
from mosaic_worker.cli.sample_scene import sample_scene
from mosaic_worker.version import DISTRIBUTION

INSTALLED_BY = f"pip install '{DISTRIBUTION}[serve]'"
ADDED = "mosaic.commands"
"""The entry point group of commands that other packages add."""


class Commands(click.Group):
    """The commands of this package, and those that others add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all."""
        from importlib.metadata import entry_points
        from importlib.util import find_spec

        added = (entry for entry in entry_points(group=ADDED) if find_spec(entry.module.split(".")[0]))
        return [*super().list_commands(ctx), *sorted(entry.name for entry in added)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, if there is one."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        from importlib.metadata import entry_points

        for entry in entry_points(group=ADDED, name=cmd_name):
            added: click.Command = entry.load()
            return added
        return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=DISTRIBUTION, prog_name="mosaic")
def mosaic() -> None:
    """Seamless satellite mosaics from a MosaicRequest."""


for command in (run_request, validate, estimate, indices, sample_scene):
    mosaic.add_command(command)


def main() -> None:
    """Run the command line; every failure is one sentence on stderr and an exit code."""
    plain_output()
    hear_interrupts()
    try:
        code = mosaic.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except MosaicError as error:
        click.echo(f"mosaic: {error}", err=True)
        code = error.exit_code
    except ModuleNotFoundError as error:
        click.echo(f"mosaic: this needs {error.name}, which is not installed: {INSTALLED_BY}", err=True)
        code = 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("mosaic: interrupted; the same command goes on where this one stopped", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        drop_output()
        code = BROKEN_PIPE
    except Exception as error:
        click.echo(f"mosaic: {reported(error)}", err=True)
        code = UNEXPECTED
    gc.freeze()  # the interpreter's last collection would take a twentieth of a second, for memory that ends anyway
    sys.exit(code)
