"""What this machine and this installation are, and what is slow, missing or broken here.

Facts are gathered first, each by itself, so that what cannot be found out takes nothing else with
it: it is an `Unknown`. Checks then read the facts and say findings in plain words. Whatever imports
torch or compiled code does so in another process, which may die of it.
"""

__all__ = ["checks", "facts", "findings", "guard"]
