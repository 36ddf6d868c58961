"""The door: `siyu`, also `python -m siyu`."""

import sys

from siyu.commands import cli
from siyu.commands.failures import readable


def main() -> None:
    """Run the command; an expected failure is one readable line on stderr and exit code 1."""
    try:
        cli()
    except Exception as error:
        lines = readable(error)
        if lines is None:
            raise
        sys.stderr.write("".join(f"siyu: {line}\n" for line in lines))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(1)


if __name__ == "__main__":
    main()
