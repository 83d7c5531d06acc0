"""The `mosaic` command. Each subcommand is a module; this one turns errors into one sentence and an exit code.

Other packages that are installed add commands by the entry point group `mosaic.commands`. They are loaded only when
one of them, or the help, is needed, so that the commands of this package start fast.
"""

import gc
import sys

import click
from mosaic_crds.errors import MosaicError
from mosaic_crds.reports import BROKEN_PIPE, INTERRUPTED, UNEXPECTED, drop_output, plain_output, reported

from mosaic_worker.cli.indices import indices
from mosaic_worker.cli.interrupts import keep_interrupts
from mosaic_worker.cli.requests import estimate, run_request, validate
from mosaic_worker.cli.sample_scene import sample_scene
from mosaic_worker.version import DISTRIBUTION

INSTALLED_BY = f"pip install '{DISTRIBUTION}[serve]'"
ADDED = "mosaic.commands"
"""The entry point group of commands that other packages add."""
SECTIONS = {
    "Local": ("run", "validate", "estimate", "serve", "backup", "restore"),
    "Server": ("submit", "get", "watch", "cancel", "fetch", "token"),
    "Tools": ("indices", "sample-scene"),
}
"""The commands in the order of the help; others follow in a section of their own."""
SHORT_HELP = 45
"""Characters of a command's line in the help, so that it fits on a terminal of 80 columns."""
EPILOG = """\b
Examples:
  mosaic serve --scenes ~/sentinel-2 --open   the web page, with your scenes
  mosaic run ndvi.yaml                        one mosaic, without a page

Documentation: docs/index.md in the repository of mosaic-operator.
"""


class Commands(click.Group):
    """The commands of this package, and those that others add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all, in the order of the help."""
        from importlib.metadata import entry_points
        from importlib.util import find_spec

        added = (entry for entry in entry_points(group=ADDED) if find_spec(entry.module.split(".")[0]))
        names = {*super().list_commands(ctx), *(entry.name for entry in added)}
        known = [name for section in SECTIONS.values() for name in section]
        return [*(name for name in known if name in names), *sorted(names.difference(known))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with a name, if there is one."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        from importlib.metadata import entry_points

        for entry in entry_points(group=ADDED, name=cmd_name):
            added: click.Command = entry.load()
            return added
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections."""
        names = self.list_commands(ctx)
        width = max(map(len, names))
        known = {name for section in SECTIONS.values() for name in section}
        for title, section in {**SECTIONS, "Other": [name for name in names if name not in known]}.items():
            commands = [(name, self.get_command(ctx, name)) for name in section if name in names]
            rows = [
                (name.ljust(width), command.get_short_help_str(SHORT_HELP)) for name, command in commands if command
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name=DISTRIBUTION, prog_name="mosaic")
def mosaic() -> None:
    """Build seamless satellite mosaics (COG, PNG, STAC) from Sentinel-2, Landsat or your own files."""


for command in (run_request, validate, estimate, indices, sample_scene):
    mosaic.add_command(command)


def main() -> None:
    """Run the command line; each failure is one sentence on stderr and an exit code."""
    plain_output()
    keep_interrupts()
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
        click.echo(f"mosaic: {error.name} is not installed: {INSTALLED_BY}", err=True)
        code = 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("mosaic: interrupted; run the same command to resume", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        drop_output()
        code = BROKEN_PIPE
    except Exception as error:
        click.echo(f"mosaic: {reported(error)}", err=True)
        code = UNEXPECTED
    gc.freeze()  # the interpreter's last collection would take a twentieth of a second, for memory that ends anyway
    sys.exit(code)
