"""Files and folders: whole or not at all, in the formats that runs are kept in.

What comes in is a path and what to write there; what others may use are the modules below.
"""

__all__ = ["paths", "strict_json", "whole"]
