"""charlm runs list | show | compare | delete"""

from charlm.cli.commands import Commands
from charlm.cli.runs.compare import compare
from charlm.cli.runs.delete import delete
from charlm.cli.runs.listing import list_all
from charlm.cli.runs.show import show

runs_app = Commands(help="What was trained.", no_args_is_help=True)
runs_app.command("list")(list_all)
runs_app.command("show")(show)
runs_app.command("compare")(compare)
runs_app.command("delete")(delete)
