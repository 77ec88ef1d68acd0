"""The command line: ``feeds serve``, ``refresh``, ``warm``, and so on.

A command is imported when it runs, so that short ones such as ``feeds health`` load little.
"""

from importlib import import_module

import click

from feeds import __version__

COMMANDS = {
    "backup": "backup:backup",
    "config": "settings:show_config",
    "demo": "local:run_demo",
    "health": "health:health",
    "refresh": "serve:refresh",
    "restore": "backup:restore",
    "sandbox": "local:sandbox",
    "serve": "serve:serve",
    "status": "status:show_status",
    "warm": "warm:run_warm",
}
"""The modules of ``feeds.commands`` and the names in them, by the names of the commands."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base's
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the base's
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"feeds.commands.{module}"), name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="intervals-feeds", message="%(prog)s %(version)s")
def main() -> None:
    """Calendar and RSS feeds for races on Intervals."""
