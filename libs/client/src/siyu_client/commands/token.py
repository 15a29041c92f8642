"""`siyu token`: prints a short-lived token of the local issuer."""

import argparse
from pathlib import Path

from siyu_client.commands import running
from siyu_kit.projects import ALL_PROJECTS, check_project


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "token", help="print a token of the running platform's local issuer"
    )
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.add_argument("--role", action="append", help="role (repeatable; default admin)")
    parser.add_argument("--project", action="append", help="project (repeatable; default all)")
    parser.add_argument("--subject", default="local", help="who the caller is")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the token alone, so that it can be put in a variable."""
    platform = running.find(options.dir)
    roles, projects = options.role or ["admin"], options.project or [ALL_PROJECTS]
    for project in projects:
        if project != ALL_PROJECTS:
            check_project(project)
    print(platform.credentials.tokens(options.subject, roles, projects).token())
    return 0
