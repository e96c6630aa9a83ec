"""charlm inspect surprise | neurons | memory | copying"""

from charlm.cli.commands import Commands
from charlm.cli.inspect.copying import copying
from charlm.cli.inspect.memory import memory
from charlm.cli.inspect.neurons import neurons
from charlm.cli.inspect.surprise import surprise

inspect_app = Commands(help="Look at what a model does.", no_args_is_help=True)
inspect_app.command("surprise")(surprise)
inspect_app.command("neurons")(neurons)
inspect_app.command("memory")(memory)
inspect_app.command("copying")(copying)
